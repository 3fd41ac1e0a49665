"""Which path does what. Handlers turn a request into the `result` of the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import qdrant_edge as edge

from . import ENGINE, QDRANT_VERSION, points_read, points_write, queries, snapshot_routes
from .collection_config import updated_config
from .errors import ApiError, bad_input, bad_request
from .http import Handler, Plain, Request, Routes, route_table
from .ids import parse_path_id
from .jsonio import Json, required_list, required_str
from .payload_schema import parse_schema

_ORDERINGS = ("weak", "medium", "strong")


def _index(_: Request) -> Plain:
    version = {"title": "qdrant - vector search engine", "version": QDRANT_VERSION, "commit": ENGINE}
    return Plain(orjson.dumps(version), b"application/json")


def _health(_: Request) -> Plain:
    return Plain(b"healthz check passed")


def _ready(_: Request) -> Plain:
    return Plain(b"all shards are ready")


def _list_collections(request: Request) -> Json:
    return {"collections": [{"name": name} for name in sorted(request.store.collections)]}


def _collection_info(request: Request) -> Json:
    return request.store.get(request.params[0]).info()


def _collection_exists(request: Request) -> Json:
    return {"exists": request.store.exists(request.params[0])}


def _cluster_info(request: Request) -> Json:
    points = request.store.get(request.params[0]).shard.info().points_count
    shard = {"shard_id": 0, "points_count": points, "state": "Active"}
    return {"peer_id": 1, "shard_count": 1, "local_shards": [shard], "remote_shards": [], "shard_transfers": []}


async def _create_collection(request: Request) -> bool:
    request.store.create(request.params[0], await request.json())
    return True


async def _update_collection(request: Request) -> bool:
    body = await request.json()
    collection = request.store.get(request.params[0])
    collection.replace_config(updated_config(collection.config, body))
    return True


async def _delete_collection(request: Request) -> bool:
    name = request.params[0]
    if name not in request.store.collections:
        return False
    async with request.store.updating(name):
        return request.store.delete(name)


def _list_aliases(request: Request) -> Json:
    aliases = sorted(request.store.aliases.items(), key=lambda one: (one[1], one[0]))
    return {"aliases": [{"alias_name": alias, "collection_name": name} for alias, name in aliases]}


def _collection_aliases(request: Request) -> Json:
    real = request.store.real_name(request.params[0])
    return {"aliases": [one for one in _list_aliases(request)["aliases"] if one["collection_name"] == real]}


async def _change_aliases(request: Request) -> bool:
    request.store.change_aliases(required_list(await request.json(), "actions"))
    return True


def _waits(request: Request) -> bool:
    """The `wait` parameter of an update; also checks `ordering`."""
    ordering = request.query.get("ordering", "weak")
    if ordering not in _ORDERINGS:
        names = ", ".join(f"`{one}`" for one in _ORDERINGS)
        raise ApiError(
            400, f"Deserialize error in query parameters: unknown variant `{ordering}`, expected one of {names}"
        )
    return request.flag("wait", False)


def _update(plan: Callable[[Json], points_write.Planned]) -> Handler:
    """A handler for one kind of update."""

    async def handle(request: Request) -> Json:
        wait = _waits(request)
        planned = plan(await request.json())
        async with request.store.updating(request.params[0]) as collection:
            result = points_write.apply(collection, planned, wait)
            collection.count_bytes(request.body_size)
        return result

    return handle


async def _batch(request: Request) -> list[Json]:
    wait = _waits(request)
    plans = points_write.plan_batch(await request.json())
    async with request.store.updating(request.params[0]) as collection:
        results = [points_write.apply(collection, one, wait) for one in plans]
        collection.count_bytes(request.body_size)
    return results


async def _create_index(request: Request) -> Json:
    wait, body = _waits(request), await request.json()
    field, given = required_str(body, "field_name"), body.get("field_schema", body.get("field_type"))
    if given is None:
        raise bad_request("Can't auto-detect field type, please specify `field_schema` in the request")
    schema, description = parse_schema(given)
    async with request.store.updating(request.params[0]) as collection:
        result = points_write.apply(collection, lambda _: edge.UpdateOperation.create_field_index(field, schema), wait)
        collection.remember_index(field, description)
    return result


async def _delete_index(request: Request) -> Json:
    wait, field = _waits(request), request.params[1]
    async with request.store.updating(request.params[0]) as collection:
        result = points_write.apply(collection, lambda _: edge.UpdateOperation.delete_field_index(field), wait)
        collection.remember_index(field, None)
    return result


def _read(plan: Callable[[Json], points_read.Read]) -> Handler:
    """A handler for one kind of read with a JSON body."""

    async def handle(request: Request) -> Any:
        read = plan(await request.json())
        return read(request.store.get(request.params[0]))

    return handle


def _get_point(request: Request) -> Json:
    collection = request.store.get(request.params[0])
    identifier = parse_path_id(request.params[1])
    if identifier is None:
        raise bad_input(f'Can not recognize "{request.params[1]}" as point id')
    return points_read.get_point(collection, identifier)


async def _search(request: Request) -> list[Json]:
    body = await request.json()
    return queries.search(request.store.get(request.params[0]), body)


async def _search_batch(request: Request) -> list[Any]:
    searches = required_list(await request.json(), "searches")
    collection = request.store.get(request.params[0])
    return [queries.search(collection, one) for one in searches]


async def _query(request: Request) -> Json:
    body = await request.json()
    return queries.query(request.store, request.params[0], body)


async def _query_batch(request: Request) -> list[Json]:
    searches = required_list(await request.json(), "searches")
    return [queries.query(request.store, request.params[0], one) for one in searches]


def all_routes() -> Routes:
    """Every path that the server knows."""
    one = "/collections/{}"
    return route_table([
        ("GET", "/", _index),
        ("GET", "/healthz", _health),
        ("GET", "/livez", _health),
        ("GET", "/readyz", _ready),
        ("GET", "/cluster", lambda _: {"status": "disabled"}),
        ("GET", "/collections", _list_collections),
        ("GET", "/aliases", _list_aliases),
        ("POST", "/collections/aliases", _change_aliases),
        ("GET", one, _collection_info),
        ("PUT", one, _create_collection),
        ("PATCH", one, _update_collection),
        ("DELETE", one, _delete_collection),
        ("GET", f"{one}/exists", _collection_exists),
        ("GET", f"{one}/aliases", _collection_aliases),
        ("GET", f"{one}/cluster", _cluster_info),
        ("PUT", f"{one}/index", _create_index),
        ("DELETE", f"{one}/index/{{}}", _delete_index),
        ("PUT", f"{one}/points", _update(points_write.plan_upsert)),
        ("POST", f"{one}/points", _read(points_read.plan_retrieve)),
        ("POST", f"{one}/points/scroll", _read(points_read.plan_scroll)),
        ("POST", f"{one}/points/count", _read(points_read.plan_count)),
        ("POST", f"{one}/points/search", _search),
        ("POST", f"{one}/points/search/batch", _search_batch),
        ("POST", f"{one}/points/query", _query),
        ("POST", f"{one}/points/query/batch", _query_batch),
        ("POST", f"{one}/points/batch", _batch),
        ("POST", f"{one}/points/delete", _update(points_write.plan_delete)),
        ("POST", f"{one}/points/payload", _update(points_write.plan_set_payload)),
        ("PUT", f"{one}/points/payload", _update(points_write.plan_overwrite_payload)),
        ("POST", f"{one}/points/payload/delete", _update(points_write.plan_delete_payload)),
        ("POST", f"{one}/points/payload/clear", _update(points_write.plan_clear_payload)),
        ("PUT", f"{one}/points/vectors", _update(points_write.plan_update_vectors)),
        ("POST", f"{one}/points/vectors/delete", _update(points_write.plan_delete_vectors)),
        ("GET", f"{one}/points/{{}}", _get_point),
        ("POST", f"{one}/facet", _read(points_read.plan_facet)),
    ] + snapshot_routes.ROUTES)
