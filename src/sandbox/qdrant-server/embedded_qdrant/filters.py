"""JSON filters to engine filters. Every condition of Qdrant 1.18 that does not need a cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qdrant_edge as edge

from .errors import ApiError, format_error, validation_error
from .ids import parse_ids
from .jsonio import Json, required

_CLAUSES = ("should", "min_should", "must", "must_not")
_RANGE_KEYS = ("gte", "gt", "lte", "lt")
_EXPECTED_CONDITION = (
    'Expected some form of condition, which can be a field condition (like {"key": ..., "match": ... }), or some '
    "other mentioned in the documentation: https://qdrant.tech/documentation/concepts/filtering/#filtering-conditions"
)


def _no_condition() -> ApiError:
    return format_error(_EXPECTED_CONDITION)


def parse_filter(value: Any) -> edge.Filter | None:
    """A filter, or None for null and for a filter without clauses. Raises 400 for unknown fields or conditions."""
    if value is None:
        return None
    if type(value) is not dict:
        raise format_error("invalid type: expected struct Filter")
    for key in value:
        if key not in _CLAUSES:
            names = ", ".join(f"`{name}`" for name in _CLAUSES)
            raise format_error(f"unknown field `{key}`, expected one of {names}")
    clauses: Json = {}
    for key in ("must", "should", "must_not"):
        given = value.get(key)
        if given is not None:
            # Qdrant takes one condition where a list is expected.
            clauses[key] = [_condition(item) for item in (given if type(given) is list else [given])]
    least = value.get("min_should")
    if least is not None:
        conditions = [_condition(item) for item in required(least, "conditions")]
        clauses["min_should"] = edge.MinShould(conditions, required(least, "min_count"))
    return edge.Filter(**clauses) if clauses else None


def _condition(value: Any) -> Any:
    if type(value) is not dict:
        raise _no_condition()
    try:
        if "key" in value:
            return _field(value)
        if "is_empty" in value:
            return edge.IsEmptyCondition(value["is_empty"]["key"])
        if "is_null" in value:
            return edge.IsNullCondition(value["is_null"]["key"])
        if "has_id" in value:
            return edge.HasIdCondition(set(parse_ids(value["has_id"])))
        if "has_vector" in value:
            return edge.HasVectorCondition(value["has_vector"])
        if "nested" in value:
            inner = parse_filter(value["nested"]["filter"])
            return edge.NestedCondition(value["nested"]["key"], inner or edge.Filter())
        if any(key in value for key in _CLAUSES):
            return parse_filter(value) or edge.Filter()
    except (KeyError, TypeError, ValueError) as error:
        raise _no_condition() from error
    raise _no_condition()


def _field(value: Json) -> edge.FieldCondition:
    parts: Json = {}
    for name, parse in _FIELD_PARTS.items():
        given = value.get(name)
        if given is not None:
            parts[name] = parse(given)
    if not parts:
        raise validation_error("filter", "At least one field condition must be specified")
    return edge.FieldCondition(value["key"], **parts)


class _Boolean:
    """A boolean that the engine's binding takes for one.

    It tries integers first, and Python's own booleans are integers. NumPy's, which it knows by name, are none.
    """

    def __init__(self, value: bool) -> None:
        self._value = value

    def __bool__(self) -> bool:
        return self._value


_Boolean.__module__, _Boolean.__name__ = "numpy", "bool_"


def _match(value: Json) -> Any:
    if "value" in value:
        given = value["value"]
        if type(given) not in (str, int, bool):
            raise _no_condition()
        as_engine: Any = _Boolean(given) if type(given) is bool else given
        return edge.MatchValue(as_engine)
    if "any" in value:
        return edge.MatchAny(_variants(value["any"]))
    if "except" in value:
        return edge.MatchExcept(_variants(value["except"]))
    for key, build in (("text", edge.MatchText), ("text_any", edge.MatchTextAny), ("phrase", edge.MatchPhrase)):
        if key in value:
            return build(value[key])
    raise _no_condition()


def _variants(values: Any) -> list[Any]:
    """`any` and `except` take strings only or integers only."""
    kinds = {type(item) for item in values}
    if type(values) is not list or len(kinds) > 1 or not kinds <= {str, int}:
        raise _no_condition()
    return values


def _range(value: Json) -> Any:
    bounds = {key: value[key] for key in _RANGE_KEYS if value.get(key) is not None}
    if any(type(bound) is str for bound in bounds.values()):
        return edge.RangeDateTime(**bounds)
    return edge.RangeFloat(**bounds)


def _values_count(value: Json) -> edge.ValuesCount:
    return edge.ValuesCount(**{key: value[key] for key in _RANGE_KEYS if value.get(key) is not None})


def _geo_point(value: Json) -> edge.GeoPoint:
    return edge.GeoPoint(value["lon"], value["lat"])


def _geo_box(value: Json) -> edge.GeoBoundingBox:
    return edge.GeoBoundingBox(_geo_point(value["top_left"]), _geo_point(value["bottom_right"]))


def _geo_radius(value: Json) -> edge.GeoRadius:
    return edge.GeoRadius(_geo_point(value["center"]), value["radius"])


def _geo_polygon(value: Json) -> edge.GeoPolygon:
    def line(ring: Json) -> list[edge.GeoPoint]:
        return [_geo_point(point) for point in ring["points"]]

    return edge.GeoPolygon(line(value["exterior"]), [line(ring) for ring in value.get("interiors") or []])


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise _no_condition()
    return value


_FIELD_PARTS: dict[str, Callable[[Any], Any]] = {
    "match": _match,
    "range": _range,
    "values_count": _values_count,
    "geo_bounding_box": _geo_box,
    "geo_radius": _geo_radius,
    "geo_polygon": _geo_polygon,
    "is_empty": _flag,
    "is_null": _flag,
}
