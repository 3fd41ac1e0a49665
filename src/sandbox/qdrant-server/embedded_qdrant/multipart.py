"""The one multipart form that Qdrant's API has: a snapshot upload."""

from __future__ import annotations

import mmap
import re
import uuid
from pathlib import Path
from typing import BinaryIO

from .errors import ApiError
from .http import Request

_BOUNDARY = re.compile(rb'boundary="?([^";,]+)"?')
_PART_NAME = re.compile(rb'[; ]name="?snapshot"?(?:[;\r]|$)')
_CHUNK = 1 << 20


async def save_snapshot_part(request: Request, directory: Path) -> Path:
    """Spools the body into `directory` and cuts the part named `snapshot` out of it; the caller removes the file.

    Raises 400 if the body is no such form.
    """
    boundary = _BOUNDARY.search(request.headers.get(b"content-type", b""))
    if boundary is None:
        raise ApiError(400, "Multipart boundary is not found")
    directory.mkdir(parents=True, exist_ok=True)
    spooled = directory / f".upload-{uuid.uuid4().hex}.tmp"
    part = directory / f".upload-{uuid.uuid4().hex}.part"
    try:
        with open(spooled, "wb") as file:
            async for chunk in request.chunks():
                file.write(chunk)
        _cut(spooled, b"--" + boundary.group(1), part)
    finally:
        spooled.unlink(missing_ok=True)
    return part


def _cut(spooled: Path, delimiter: bytes, part: Path) -> None:
    if spooled.stat().st_size == 0:
        raise ApiError(400, "Multipart stream is incomplete")
    with open(spooled, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as body:
        at = body.find(delimiter)
        while at >= 0:
            start = body.find(b"\r\n\r\n", at)
            end = body.find(b"\r\n" + delimiter, at + len(delimiter))
            if start < 0 or end < 0:
                break
            if _PART_NAME.search(body[at:start] + b"\r"):
                file.seek(start + 4)
                _copy(file, part, end - start - 4)
                return
            at = end + 2
    raise ApiError(400, "Field with name 'snapshot' is required")


def _copy(source: BinaryIO, target: Path, size: int) -> None:
    with open(target, "wb") as file:
        while size > 0:
            chunk = source.read(min(_CHUNK, size))
            file.write(chunk)
            size -= len(chunk)
