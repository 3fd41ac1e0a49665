"""One collection: its engine shard, its configuration, and when it was last flushed."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import qdrant_edge as edge

from . import atomicfiles
from .collection_config import engine_config
from .jsonio import Json
from .payload_schema import data_type_name
from .vectors import VectorSpace, printable

META_FILE = "collection.json"
SHARD_DIR = "shard"
_FLUSH_BYTES = 64 * 1024 * 1024
"""Flush after this many bytes of updates, so that the write-ahead log stays short."""


class Collection:
    """An open collection.

    Updates go to the engine's write-ahead log before they are applied, and the log is a memory-mapped file: what was
    acknowledged survives the death of this process without a flush. A flush only shortens the log and the next start.
    """

    def __init__(self, path: Path, meta: Json, shard: edge.EdgeShard) -> None:
        self.path = path
        self.shard = shard
        self._meta = meta
        self._set_space()
        self._next_operation = _first_operation(shard)
        self._dirty_since: float | None = None
        self._dirty_bytes = 0
        # Held while a snapshot copies the files: updates wait, reads do not.
        self.updates = asyncio.Lock()

    @staticmethod
    def create(path: Path, config: Json) -> Collection:
        """Makes a new, empty collection in the (new) directory `path`."""
        (path / SHARD_DIR).mkdir(parents=True)
        shard = edge.EdgeShard.create(str(path / SHARD_DIR), engine_config(config))
        meta: Json = {"config": config, "payload_schema": {}}
        atomicfiles.write_json(path / META_FILE, meta)
        atomicfiles.sync_directory(path.parent)
        return Collection(path, meta, shard)

    @staticmethod
    def load(path: Path) -> Collection:
        """Opens a collection; the engine replays what its last flush had not covered."""
        meta = atomicfiles.read_json(path / META_FILE)
        return Collection(path, meta, edge.EdgeShard.load(str(path / SHARD_DIR)))

    @property
    def config(self) -> Json:
        """The configuration as Qdrant reports it."""
        config: Json = self._meta["config"]
        return config

    def replace_config(self, config: Json) -> None:
        """Stores a changed configuration."""
        self._save({**self._meta, "config": config})
        self._set_space()

    def remember_index(self, field: str, description: Json | None) -> None:
        """Stores what a payload index was created with; None forgets it."""
        schema = {name: one for name, one in self._meta["payload_schema"].items() if name != field}
        if description is not None:
            schema[field] = description
        self._save({**self._meta, "payload_schema": schema})

    def _save(self, meta: Json) -> None:
        atomicfiles.write_json(self.path / META_FILE, meta)
        self._meta = meta

    def _set_space(self) -> None:
        self.space = VectorSpace.of(self.config["params"])
        self.plain_names = printable(self.space.names())

    def update(self, operation: edge.UpdateOperation) -> int:
        """Applies one operation and returns its number. Raises the engine's `Exception` if it is refused."""
        if self._dirty_since is None:
            self._dirty_since = time.monotonic()
        self.shard.update(operation)
        number = self._next_operation
        self._next_operation += 1
        return number

    def count_bytes(self, size: int) -> None:
        """Notes `size` bytes of updates, and flushes once enough have come together."""
        self._dirty_bytes += size
        if self._dirty_bytes >= _FLUSH_BYTES:
            self.flush()

    def flush_if_older(self, seconds: float) -> None:
        """Flushes changes that have waited for `seconds`, unless a snapshot is being taken."""
        waiting = self._dirty_since is not None and time.monotonic() - self._dirty_since >= seconds
        if waiting and not self.updates.locked():
            self.flush()

    def flush(self) -> None:
        """Writes all segments to disk and shortens the write-ahead log."""
        self.shard.flush()
        self._dirty_since = None
        self._dirty_bytes = 0

    def close(self) -> None:
        """Flushes and releases the files."""
        self.shard.close()

    def info(self) -> Json:
        """The `result` of `GET /collections/{name}`."""
        engine = self.shard.info()
        return {
            "status": "green",
            "optimizer_status": "ok",
            "indexed_vectors_count": engine.indexed_vectors_count,
            "points_count": engine.points_count,
            "segments_count": engine.segments_count,
            "config": self.config,
            "payload_schema": self._payload_schema(engine),
            "update_queue": {"length": 0},
        }

    def _payload_schema(self, engine: Any) -> Json:
        described = self._meta["payload_schema"]
        schema: Json = {}
        for field, index in engine.payload_schema.items():
            known = described.get(field) or {"data_type": data_type_name(index.data_type)}
            schema[field] = {**known, "points": index.points}
        return schema


def _first_operation(shard: edge.EdgeShard) -> int:
    """The number after the newest operation that the segments know of; 0 for a new shard."""
    versions = [one.get("segment_version") for one in shard.snapshot_manifest().values()]
    known = [version for version in versions if version is not None]
    empty = shard.info().points_count == 0 and max(known, default=0) == 0
    return 0 if empty else max(known, default=0) + 1
