"""Updates of points: upsert, delete, payloads, vectors, and batches of them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import qdrant_edge as edge

from .collection import Collection
from .errors import ApiError, bad_request, format_error, from_engine, validation_error
from .filters import parse_filter
from .ids import invalid_id, parse_ids
from .jsonio import Json, describe, required, required_list, required_str

_MODES = {
    "upsert": edge.UpdateMode.Upsert,
    "insert_only": edge.UpdateMode.InsertOnly,
    "update_only": edge.UpdateMode.UpdateOnly,
}
_NO_TARGET = "Either list of point ids or filter must be provided"
_Update = edge.UpdateOperation
Planned = Callable[[Collection], edge.UpdateOperation]


def apply(collection: Collection, plan: Planned, wait: bool) -> Json:
    """Runs one planned update and answers as Qdrant does.

    Without `wait` Qdrant acknowledges before it looks at the vectors, so a wrong length shows only in its log; the same
    here, though the update itself is done by then. Raises ApiError otherwise.
    """
    try:
        number = collection.update(plan(collection))
    except ApiError as error:
        if wait or error.status != 400 or not error.message.startswith("Wrong input"):
            raise
        return _dropped(error.message)
    except Exception as error:
        if type(error) is not Exception:
            raise
        problem = from_engine(str(error))
        if wait:
            raise problem from None
        return _dropped(problem.message)
    return {"operation_id": number, "status": "completed" if wait else "acknowledged"}


def _dropped(problem: str) -> Json:
    print(f"update dropped after it was acknowledged (wait=false): {problem}", file=sys.stderr, flush=True)
    return {"status": "acknowledged"}


def plan_upsert(body: Json) -> Planned:
    """`{"points": […]}` or `{"batch": {…}}`, each with optional `update_filter` and `update_mode`."""
    if "batch" in body:
        rows = _batch_rows(required(body, "batch"))
    elif "points" in body:
        rows = [_point_row(one) for one in required_list(body, "points")]
    else:
        raise format_error("Invalid PointInsertOperations format")
    if not rows:
        raise bad_request("Empty update request")
    condition = parse_filter(body.get("update_filter"))
    mode = body.get("update_mode")
    if mode is not None and mode not in _MODES:
        raise format_error(f"unknown variant `{mode}`, expected one of `upsert`, `insert_only`, `update_only`")

    def plan(collection: Collection) -> edge.UpdateOperation:
        points = _engine_points(collection, rows)
        return _Update.upsert_points(points, condition, _MODES[mode] if mode else None)

    return plan


def _point_row(point: Any) -> tuple[Any, Any, Any]:
    try:
        vector = point["vector"] if "vector" in point else point["vectors"]
        return point["id"], vector, point.get("payload")
    except KeyError as missing:
        name = "vector" if missing.args[0] == "vectors" else missing.args[0]
        raise format_error(f"missing field `{name}`") from None
    except (TypeError, AttributeError):
        raise format_error(f"invalid type: {describe(point)}, expected struct PointStruct") from None


def _batch_rows(batch: Json) -> list[tuple[Any, Any, Any]]:
    ids, vectors = required_list(batch, "ids"), required(batch, "vectors")
    payloads = batch.get("payloads")
    if isinstance(vectors, dict):
        for name, column in vectors.items():
            _same_length("vectors", len(ids), len(column), name)
        named = list(vectors.items())
        vectors = [{name: column[row] for name, column in named} for row in range(len(ids))]
    _same_length("vectors", len(ids), len(vectors))
    if payloads is not None:
        _same_length("payloads", len(ids), len(payloads))
    return list(zip(ids, vectors, payloads if payloads is not None else [None] * len(ids)))


def _same_length(what: str, ids: int, got: int, name: str = "") -> None:
    if ids != got:
        label = f"batch.{what}" + (f".{name}" if name else "")
        raise validation_error(label, f"number of ids and {what} must be equal ({ids} != {got})")


def _engine_points(collection: Collection, rows: list[tuple[Any, Any, Any]]) -> list[edge.Point]:
    point_vector, build = collection.space.point_vector, edge.Point
    points = []
    for identifier, vector, payload in rows:
        if type(identifier) is not int and type(identifier) is not str:
            raise invalid_id(identifier)
        try:
            points.append(build(identifier, point_vector(vector), payload))
        except (TypeError, ValueError, OverflowError):
            parse_ids([identifier])
            if payload is not None and type(payload) is not dict:
                raise format_error(f"invalid type: {describe(payload)}, expected a map") from None
            raise format_error("data did not match any variant of untagged enum VectorStruct") from None
    return points


def plan_delete(body: Json) -> Planned:
    """Deletes by `points` or by `filter`."""
    return _by_target(body, _Update.delete_points, _Update.delete_points_by_filter, _no_selector)


def plan_clear_payload(body: Json) -> Planned:
    """Removes all payload, by `points` or by `filter`."""
    return _by_target(body, _Update.clear_payload, _Update.clear_payload_by_filter, _no_selector)


def _no_selector() -> ApiError:
    return format_error("data did not match any variant of untagged enum PointsSelector")


def _no_target() -> ApiError:
    return format_error(_NO_TARGET)


def _by_target(
    body: Json,
    by_ids: Callable[..., edge.UpdateOperation],
    by_filter: Callable[..., edge.UpdateOperation],
    nothing: Callable[[], ApiError],
    *rest: Any,
) -> Planned:
    if body.get("points") is not None:
        ids = parse_ids(required_list(body, "points"))
        return lambda _: by_ids(ids, *rest)
    if body.get("filter") is None:
        raise nothing()
    # An empty filter is every point.
    condition = parse_filter(body["filter"]) or edge.Filter()
    return lambda _: by_filter(condition, *rest)


def _payload(body: Json) -> Json:
    payload = required(body, "payload")
    if type(payload) is not dict:
        raise format_error(f"invalid type: {describe(payload)}, expected a map")
    return payload


def _path(body: Json) -> str | None:
    return required_str(body, "key") if body.get("key") is not None else None


def plan_set_payload(body: Json) -> Planned:
    """Merges `payload` into the payloads, or into the object at `key`."""
    return _by_target(
        body, _Update.set_payload, _Update.set_payload_by_filter, _no_target, _payload(body), _path(body)
    )


def plan_overwrite_payload(body: Json) -> Planned:
    """Replaces payloads, or the object at `key`."""
    return _by_target(
        body, _Update.overwrite_payload, _Update.overwrite_payload_by_filter, _no_target, _payload(body), _path(body)
    )


def plan_delete_payload(body: Json) -> Planned:
    """Removes the paths in `keys`."""
    keys = required_list(body, "keys")
    return _by_target(body, _Update.delete_payload, _Update.delete_payload_by_filter, _no_target, keys)


def plan_update_vectors(body: Json) -> Planned:
    """Replaces vectors of existing points; names that are not mentioned stay as they are."""
    points = required_list(body, "points")
    if not points:
        raise validation_error("points", "must specify points to update")
    rows = [_point_row(one) for one in points]
    condition = parse_filter(body.get("update_filter"))

    def plan(collection: Collection) -> edge.UpdateOperation:
        changed = []
        for identifier, vector, _ in rows:
            changed.append(edge.PointVectors(parse_ids([identifier])[0], collection.space.point_vector(vector)))
        return _Update.update_vectors(changed, condition)

    return plan


def plan_delete_vectors(body: Json) -> Planned:
    """Removes named vectors, by `points` or by `filter`."""
    names = required_list(body, "vector" if "vector" in body else "vectors")
    if not names:
        raise validation_error("vector", "must specify vector names to delete")
    return _by_target(body, _Update.delete_vectors, _Update.delete_vectors_by_filter, _no_target, names)


_BATCH: dict[str, Callable[[Json], Planned]] = {
    "upsert": plan_upsert,
    "delete": plan_delete,
    "set_payload": plan_set_payload,
    "overwrite_payload": plan_overwrite_payload,
    "delete_payload": plan_delete_payload,
    "clear_payload": plan_clear_payload,
    "update_vectors": plan_update_vectors,
    "delete_vectors": plan_delete_vectors,
}


def plan_batch(body: Json) -> list[Planned]:
    """The updates of `POST …/points/batch`, all checked before the first is applied."""
    plans = []
    for operation in required_list(body, "operations"):
        known = [name for name in operation if name in _BATCH] if isinstance(operation, dict) else []
        if not known:
            raise format_error("data did not match any variant of untagged enum UpdateOperation")
        plans.append(_BATCH[known[0]](operation[known[0]]))
    return plans
