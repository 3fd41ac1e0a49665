"""Reading request bodies and picking typed fields out of them, with Qdrant's error texts."""

from __future__ import annotations

import re
from typing import Any

import orjson

from .errors import format_error, validation_error

Json = dict[str, Any]

_POSITION = re.compile(r": line (\d+) column (\d+) \(char \d+\)$")


def parse_object(body: bytes) -> Json:
    """Parses a request body that has to be a JSON object. Raises 400 on anything else, NaN and Infinity included."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise format_error(_syntax_problem(str(error), body)) from None
    if type(parsed) is not dict:
        raise format_error(f"invalid type: {describe(parsed)}, expected a map")
    return parsed


def _syntax_problem(text: str, body: bytes) -> str:
    """Words a syntax error as serde_json does; the column is the one our parser saw."""
    if not body.strip():
        return "EOF while parsing a value at line 1 column 0"
    position = _POSITION.search(text)
    if position is None:
        return text
    problem = "EOF while parsing a value" if "unexpected end" in text else "expected value"
    return f"{problem} at line {position.group(1)} column {position.group(2)}"


def describe(value: Any) -> str:
    """Names a JSON value the way serde does in `invalid type: …`."""
    if value is None:
        return "null"
    if value is True or value is False:
        return f"boolean `{str(value).lower()}`"
    if isinstance(value, int):
        return f"integer `{value}`"
    if isinstance(value, float):
        return f"floating point `{value}`"
    if isinstance(value, str):
        return f"string {orjson.dumps(value).decode()}"
    return "sequence" if isinstance(value, list) else "map"


def required(body: Json, key: str) -> Any:
    """The value under `key`; raises 400 where Qdrant would miss the field."""
    if key not in body:
        raise format_error(f"missing field `{key}`")
    return body[key]


def required_str(body: Json, key: str) -> str:
    """A required string field."""
    value = required(body, key)
    if type(value) is not str:
        raise format_error(f"invalid type: {describe(value)}, expected a string")
    return value


def required_list(body: Json, key: str) -> list[Any]:
    """A required array field."""
    value = required(body, key)
    if type(value) is not list:
        raise format_error(f"invalid type: {describe(value)}, expected a sequence")
    return value


def optional_uint(body: Json, key: str, label: str | None = None, minimum: int = 0) -> int | None:
    """An optional whole number. `label` is the field name in the 422 text; below `minimum` is a 422."""
    value = body.get(key)
    if value is None:
        return None
    if type(value) is not int:
        raise format_error(f"invalid type: {describe(value)}, expected usize")
    if value < 0:
        raise format_error(f"invalid value: integer `{value}`, expected usize")
    if value < minimum:
        raise validation_error(label or key, f"value {value} invalid, must be {minimum} or larger")
    return value


def optional_number(body: Json, key: str) -> float | None:
    """An optional number (32-bit in Qdrant: scores, thresholds)."""
    value = body.get(key)
    if value is None:
        return None
    if type(value) not in (int, float):
        raise format_error(f"invalid type: {describe(value)}, expected f32")
    return float(value)


def optional_bool(body: Json, key: str, default: bool) -> bool:
    """An optional boolean, or `default`."""
    value = body.get(key)
    if value is None:
        return default
    if type(value) is not bool:
        raise format_error(f"invalid type: {describe(value)}, expected a boolean")
    return value
