"""Files that are either the old version or the new one after a crash, never something in between."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import orjson


def write_json(path: Path, value: Any) -> None:
    """Writes `value` beside `path`, syncs it, renames it over `path` and syncs the directory."""
    temporary = path.with_name(path.name + ".tmp")
    with open(temporary, "wb") as file:
        file.write(orjson.dumps(value, option=orjson.OPT_INDENT_2))
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    sync_directory(path.parent)


def read_json(path: Path) -> Any:
    """Reads a file that `write_json` wrote. Raises FileNotFoundError, or JSONDecodeError for a foreign file."""
    return orjson.loads(path.read_bytes())


def sync_directory(path: Path) -> None:
    """Makes renames, creations and removals inside `path` durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
