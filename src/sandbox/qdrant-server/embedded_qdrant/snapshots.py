"""Collection snapshots: a tar of the collection's directory, taken after a flush while updates wait.

The engine preallocates its files (32 MiB each, mostly zeros), so the archive holds them without their trailing zeros,
and `sizes.json` says how long they have to be again. The write-ahead log has to come along: the engine ignores an
operation whose number is not above what a point has seen, and the log is where the numbering continues.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import shutil
import tarfile
import urllib.error
import urllib.parse
import urllib.request
import uuid
from datetime import datetime, timezone
from pathlib import Path
from typing import BinaryIO

import orjson

from . import atomicfiles
from .collection import META_FILE, Collection
from .collection_config import check_new_name
from .errors import ApiError, bad_input, bad_request, not_found, service_error
from .jsonio import Json, required_str
from .store import Store

_SIZES = "sizes.json"
_PEER = 1
_CHUNK = 1 << 20
_DOWNLOAD_TIMEOUT_SECONDS = 60


def directory_for(store: Store, name: str) -> Path:
    """Where the snapshots of that collection are. The name is escaped: it may hold any character but a slash."""
    escaped = urllib.parse.quote(name, safe=" ")
    if escaped.strip(".") == "" or len(escaped) > 200:
        escaped = hashlib.sha256(name.encode()).hexdigest()
    return store.snapshots_path / escaped


def describe(path: Path) -> Json:
    """Name, UTC time of creation, bytes and SHA-256 of a snapshot file."""
    status = path.stat()
    created = datetime.fromtimestamp(int(status.st_mtime), timezone.utc).replace(tzinfo=None)
    description: Json = {"name": path.name, "creation_time": created.isoformat(), "size": status.st_size}
    checksum = _checksum_path(path)
    if checksum.exists():
        description["checksum"] = checksum.read_text()
    return description


def listing(store: Store, name: str) -> list[Json]:
    """`GET …/snapshots`, oldest first."""
    directory = directory_for(store, store.real_name(name))
    found = sorted(directory.glob("*.snapshot")) if directory.exists() else []
    return [describe(path) for path in found]


def find(store: Store, name: str, snapshot: str) -> Path:
    """The file of a snapshot. Raises 404, also for names that lead out of the directory."""
    directory = directory_for(store, store.real_name(name))
    path = directory / snapshot
    if os.sep in snapshot or snapshot in ("", ".", "..") or not path.is_file():
        raise not_found(f"Snapshot {snapshot} not found")
    return path


def delete(store: Store, name: str, snapshot: str) -> bool:
    """`DELETE …/snapshots/{snapshot}`."""
    path = find(store, name, snapshot)
    path.unlink()
    _checksum_path(path).unlink(missing_ok=True)
    return True


async def create(store: Store, name: str) -> Json:
    """`POST …/snapshots`. Reads go on meanwhile, updates of this collection wait."""
    async with store.updating(name) as collection:
        real = store.real_name(name)
        directory = directory_for(store, real)
        directory.mkdir(parents=True, exist_ok=True)
        collection.flush()
        stamp = datetime.now(timezone.utc).strftime("%Y-%m-%d-%H-%M-%S")
        path = _unused(directory, f"{real}-{_PEER}-{stamp}")
        await asyncio.to_thread(_pack, collection.path, path)
    return describe(path)


def _unused(directory: Path, stem: str) -> Path:
    """Qdrant's names are by the second; a second snapshot within one gets a number instead of replacing the first."""
    path = directory / f"{stem}.snapshot"
    number = 2
    while path.exists():
        path = directory / f"{stem}-{number}.snapshot"
        number += 1
    return path


def _pack(source: Path, path: Path) -> None:
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
    sizes: dict[str, int] = {}
    try:
        with tarfile.open(temporary, "w") as archive:
            for path_in in sorted(one for one in source.rglob("*") if one.is_file()):
                name = str(path_in.relative_to(source))
                sizes[name] = path_in.stat().st_size
                with open(path_in, "rb") as file:
                    _add(archive, name, _without_zeros(file, sizes[name]), file)
            packed_sizes = orjson.dumps(sizes)
            _add(archive, _SIZES, len(packed_sizes), io.BytesIO(packed_sizes))
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        _checksum_path(path).write_text(_sha256(temporary))
        os.replace(temporary, path)
        atomicfiles.sync_directory(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _add(archive: tarfile.TarFile, name: str, size: int, content: BinaryIO) -> None:
    member = tarfile.TarInfo(name)
    member.size = size
    content.seek(0)
    archive.addfile(member, content)


def _without_zeros(file: BinaryIO, size: int) -> int:
    """The length of a file without the zeros at its end."""
    while size > 0:
        start = max(0, size - _CHUNK)
        file.seek(start)
        kept = file.read(size - start).rstrip(b"\0")
        if kept:
            return start + len(kept)
        size = start
    return 0


def _checksum_path(path: Path) -> Path:
    return path.with_name(path.name + ".checksum")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


async def recover(store: Store, name: str, body: Json) -> bool:
    """`PUT …/snapshots/recover` from a `file://` URL inside the snapshots directory, or from http(s)."""
    location = required_str(body, "location")
    url = urllib.parse.urlparse(location)
    if url.scheme == "file":
        return await restore(store, name, _local_path(store, url), body.get("checksum"))
    if url.scheme not in ("http", "https"):
        raise bad_request(f"URL {location} with scheme {url.scheme} is not supported")
    download = store.snapshots_path / f".download-{uuid.uuid4().hex}.tmp"
    try:
        await asyncio.to_thread(_download, location, body.get("api_key"), download)
        return await restore(store, name, download, body.get("checksum"))
    finally:
        download.unlink(missing_ok=True)


def _local_path(store: Store, url: urllib.parse.ParseResult) -> Path:
    path = Path(urllib.parse.unquote(url.path))
    if not path.exists():
        raise bad_request(f'Snapshot file "{path}" does not exist')
    allowed = store.snapshots_path.resolve()
    if allowed not in path.resolve().parents:
        raise ApiError(403, f'Forbidden: Snapshot file path must be inside the snapshots directory "{allowed}"')
    return path


def _download(location: str, api_key: str | None, target: Path) -> None:
    request = urllib.request.Request(location, headers={"api-key": api_key} if api_key else {})
    try:
        with urllib.request.urlopen(request, timeout=_DOWNLOAD_TIMEOUT_SECONDS) as response, open(target, "wb") as file:
            shutil.copyfileobj(response, file, _CHUNK)
    except (urllib.error.URLError, OSError) as error:
        raise bad_input(f"Failed to download snapshot from {location}: {error}") from error


async def restore(store: Store, name: str, archive: Path, checksum: str | None) -> bool:
    """Replaces (or makes) the collection `name` with what `archive` holds, once that is open."""
    if checksum is not None:
        actual = await asyncio.to_thread(_sha256, archive)
        if actual != checksum.lower():
            raise bad_input(f"Snapshot checksum mismatch: expected {checksum}, got {actual}")
    directory = store.new_directory()
    try:
        await asyncio.to_thread(_unpack, archive, directory)
        collection = Collection.load(directory)
    except Exception as error:
        shutil.rmtree(directory, ignore_errors=True)
        raise service_error(f"Failed to read snapshot archive: {error}") from error
    try:
        await _swap_in(store, name, collection)
    except ApiError:
        collection.close()
        shutil.rmtree(directory, ignore_errors=True)
        raise
    return True


async def _swap_in(store: Store, name: str, collection: Collection) -> None:
    if not store.exists(name):
        check_new_name(name)
        store.replace(name, collection)
        return
    async with store.updating(name) as old:
        if old.config["params"]["vectors"] != collection.config["params"]["vectors"]:
            raise bad_input(
                "Snapshot is not compatible with existing collection: its vectors are configured differently"
            )
        store.replace(store.real_name(name), collection)


def _unpack(archive: Path, directory: Path) -> None:
    unpacked = set()
    with tarfile.open(archive) as packed:
        for member in packed:
            unpacked.add(member.name)
            target = directory / member.name
            if not member.isfile() or directory not in target.resolve().parents:
                raise ValueError(f"unexpected entry {member.name}")
            content = packed.extractfile(member)
            target.parent.mkdir(parents=True, exist_ok=True)
            with open(target, "wb") as file:
                shutil.copyfileobj(content, file, _CHUNK)  # type: ignore[arg-type]
                file.flush()
                os.fsync(file.fileno())
    if not (directory / META_FILE).exists():
        raise ValueError(f"{META_FILE} is missing: not a snapshot of this server")
    for name, size in atomicfiles.read_json(directory / _SIZES).items():
        if name in unpacked:
            os.truncate(directory / name, size)
    (directory / _SIZES).unlink()
    atomicfiles.sync_directory(directory)
