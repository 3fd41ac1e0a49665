"""Reading points: retrieve, scroll, count, facet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qdrant_edge as edge

from .collection import Collection
from .errors import format_error, not_found
from .filters import parse_filter
from .ids import PointId, parse_id, parse_ids
from .jsonio import Json, describe, optional_bool, optional_uint, required_list, required_str
from .vectors import vector_json

_DEFAULT_LIMIT = 10
Read = Callable[[Collection], Any]
"""A checked request, to be run on a collection."""
_DIRECTIONS = {"asc": edge.Direction.Asc, "desc": edge.Direction.Desc}


def payload_selector(value: Any, default: bool) -> Any:
    """`with_payload`: true, false, a list of paths, or include/exclude."""
    if value is None:
        return default
    if type(value) is bool:
        return value
    if type(value) is list:
        return value
    if type(value) is dict and "include" in value:
        return edge.PayloadSelector.Include(value["include"])
    if type(value) is dict and "exclude" in value:
        return edge.PayloadSelector.Exclude(value["exclude"])
    raise format_error("Expected a boolean, an array of strings, or an object with an include/exclude field")


def vector_selector(body: Json) -> bool | list[str]:
    """`with_vector` or `with_vectors`: true, false, or a list of names."""
    value = body.get("with_vector", body.get("with_vectors"))
    if value is None:
        return False
    if type(value) is bool or type(value) is list:
        return value
    raise format_error("Expected a boolean, or an array of strings")


def record_json(collection: Collection, records: list[Any], with_payload: bool, with_vector: bool) -> list[Json]:
    """Engine records as Qdrant prints them. The loops are apart because this is the hottest path of the server."""
    if with_payload and not with_vector:
        return [{"id": one.id, "payload": one.payload} for one in records]
    if with_payload:
        plain = collection.plain_names
        return [{"id": one.id, "payload": one.payload, "vector": vector_json(one, plain)} for one in records]
    if with_vector:
        plain = collection.plain_names
        return [{"id": one.id, "vector": vector_json(one, plain)} for one in records]
    return [{"id": one.id} for one in records]


def plan_retrieve(body: Json) -> Read:
    """`POST …/points`: the points that exist of those asked for."""
    ids: list[Any] = parse_ids(required_list(body, "ids"))
    payload = payload_selector(body.get("with_payload"), True)
    vector = vector_selector(body)

    def read(collection: Collection) -> list[Json]:
        records = collection.shard.retrieve(ids, payload, vector)
        return record_json(collection, records, payload is not False, vector is not False)

    return read


def get_point(collection: Collection, identifier: PointId) -> Json:
    """`GET …/points/{id}`: one point with payload and vectors. Raises 404."""
    records = collection.shard.retrieve([identifier], True, True)
    if not records:
        raise not_found(f"Point with id {identifier} does not exists!")
    return record_json(collection, records, True, True)[0]


def plan_scroll(body: Json) -> Read:
    """`POST …/points/scroll`: a page of points and the id that the next page starts with (null at the end)."""
    offset, order = body.get("offset"), body.get("order_by")
    payload = payload_selector(body.get("with_payload"), True)
    vector = vector_selector(body)
    request = edge.ScrollRequest(
        parse_id(offset) if offset is not None else None,
        optional_uint(body, "limit", "scroll_request.limit", minimum=1) or _DEFAULT_LIMIT,
        parse_filter(body.get("filter")),
        payload,
        vector,
        order_by(order) if order is not None else None,
    )

    def read(collection: Collection) -> Json:
        records, following = collection.shard.scroll(request)
        points = record_json(collection, records, payload is not False, vector is not False)
        if order is not None:
            for point, record in zip(points, records):
                point["order_value"] = record.order_value
        return {"points": points, "next_page_offset": following}

    return read


def order_by(value: Any) -> edge.OrderBy:
    """A key, or `{"key", "direction", "start_from"}`."""
    if type(value) is str:
        return edge.OrderBy(value)
    if type(value) is not dict:
        raise format_error("Expected a string, or an object with a key, direction and/or start_from")
    direction = value.get("direction")
    if direction is not None and direction not in _DIRECTIONS:
        raise format_error(f"unknown variant `{direction}`, expected `asc` or `desc`")
    start = value.get("start_from")
    if type(start) in (bool, list, dict):
        raise format_error(f"invalid type: {describe(start)}, expected a number or a datetime")
    return edge.OrderBy(required_str(value, "key"), _DIRECTIONS[direction] if direction else None, start)


def plan_count(body: Json) -> Read:
    """`POST …/points/count`."""
    request = edge.CountRequest(optional_bool(body, "exact", True), parse_filter(body.get("filter")))
    return lambda collection: {"count": collection.shard.count(request)}


def plan_facet(body: Json) -> Read:
    """`POST …/facet`: values of an indexed field with how many points hold each."""
    limit = optional_uint(body, "limit", "facet_request.limit", minimum=1) or _DEFAULT_LIMIT
    exact = optional_bool(body, "exact", False)
    request = edge.FacetRequest(required_str(body, "key"), limit, exact, parse_filter(body.get("filter")))

    def read(collection: Collection) -> Json:
        return {"hits": [{"value": one.value, "count": one.count} for one in collection.shard.facet(request).hits]}

    return read
