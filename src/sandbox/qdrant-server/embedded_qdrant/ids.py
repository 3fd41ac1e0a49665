"""Point ids: unsigned 64-bit integers, and UUIDs in every form that Qdrant reads."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from .errors import format_error

PointId = int | str

_HEX = "[0-9a-fA-F]"
_HYPHENATED = f"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}"
# Rust's `uuid` crate: simple, hyphenated, URN and braced forms.
_UUID = re.compile(f"^(?:{_HEX}{{32}}|{_HYPHENATED}|urn:uuid:{_HYPHENATED}|\\{{{_HYPHENATED}\\}})$")
_DIGITS = re.compile(r"^\+?\d+$")
_MAX = 2**64 - 1


def _shown(value: Any) -> str:
    if value is None:
        return "Unit"
    if type(value) is bool:
        return str(value).lower()
    return str(value)


def invalid_id(value: Any) -> Exception:
    """The 400 for something that is not a point id."""
    return format_error(
        f"value {_shown(value)} is not a valid point ID, valid values are either an unsigned integer or a UUID"
    )


def parse_id(value: Any) -> PointId:
    """An id from a JSON body. Numbers in strings are refused, as Qdrant refuses them there."""
    if type(value) is int and 0 <= value <= _MAX:
        return value
    if type(value) is str and _UUID.match(value):
        return str(UUID(value))
    raise invalid_id(value)


def parse_ids(values: list[Any]) -> list[PointId]:
    """A list of ids from a JSON body."""
    return [parse_id(value) for value in values]


def parse_path_id(text: str) -> PointId | None:
    """An id from a URL path, or None if it is not one."""
    if _DIGITS.match(text) and int(text) <= _MAX:
        return int(text)
    return str(UUID(text)) if _UUID.match(text) else None
