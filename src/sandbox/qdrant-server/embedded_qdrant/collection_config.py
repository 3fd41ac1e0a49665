"""Collection configuration: request bodies to the configuration that Qdrant reports, and that to the engine's."""

from __future__ import annotations

import copy
from typing import Any

import qdrant_edge as edge

from .errors import ApiError, bad_input, format_error, validation_error
from .jsonio import Json, describe, optional_bool, optional_uint

_DISTANCES = {
    "Cosine": edge.Distance.Cosine,
    "Euclid": edge.Distance.Euclid,
    "Dot": edge.Distance.Dot,
    "Manhattan": edge.Distance.Manhattan,
}
_DATATYPES = {
    "float32": edge.VectorStorageDatatype.Float32,
    "float16": edge.VectorStorageDatatype.Float16,
    "uint8": edge.VectorStorageDatatype.Uint8,
}
_INVALID_NAME_CHARS = '<>:"/\\|?*\0\x1f'
_QUANTIZATIONS = ("scalar", "product", "binary", "turbo")

# Defaults of Qdrant's config.yaml; the order of the keys is the order in which Qdrant reports them.
_HNSW: Json = {
    "m": 16,
    "ef_construct": 100,
    "full_scan_threshold": 10000,
    "max_indexing_threads": 0,
    "on_disk": False,
}
_OPTIMIZER: Json = {
    "deleted_threshold": 0.2,
    "vacuum_min_vector_number": 1000,
    "default_segment_number": 0,
    "max_segment_size": None,
    "memmap_threshold": None,
    "indexing_threshold": 10000,
    "flush_interval_sec": 5,
    "max_optimization_threads": None,
    "prevent_unoptimized": None,
}
_WAL: Json = {"wal_capacity_mb": 32, "wal_segments_ahead": 0, "wal_retain_closed": 1}
_HNSW_KEYS = {*_HNSW, "payload_m", "inline_storage"}
_MINIMUM = {"ef_construct": 4, "full_scan_threshold": 10, "vacuum_min_vector_number": 100, "wal_capacity_mb": 1}


def check_new_name(name: str) -> None:
    """Raises 422 for a collection name that Qdrant refuses to create."""
    if not 1 <= len(name) <= 255:
        raise validation_error("collection_name", "must be from 1 to 255 characters", "path parameters")
    bad = next((char for char in _INVALID_NAME_CHARS if char in name), None)
    if bad is not None:
        raise validation_error("collection_name", f'collection name cannot contain "{bad}" char', "path parameters")


def new_config(body: Json) -> Json:
    """The reported `config` of a collection created with `body`. Raises 400 and 422 as Qdrant does."""
    vectors = _vectors(body.get("vectors"))
    sparse = _sparse_vectors(body.get("sparse_vectors"))
    for name in [] if "size" in vectors else vectors:
        if name in sparse:
            raise bad_input(f"Dense and sparse vector names must be unique - duplicate found with '{name}'")
    params: Json = {"vectors": vectors, "shard_number": optional_uint(body, "shard_number", minimum=1) or 1}
    if body.get("sharding_method") is not None:
        params["sharding_method"] = body["sharding_method"]
    params["replication_factor"] = optional_uint(body, "replication_factor", minimum=1) or 1
    params["write_consistency_factor"] = optional_uint(body, "write_consistency_factor", minimum=1) or 1
    params["on_disk_payload"] = optional_bool(body, "on_disk_payload", True)
    if sparse:
        params["sparse_vectors"] = sparse
    config: Json = {
        "params": params,
        "hnsw_config": _merged(_HNSW, body.get("hnsw_config"), "hnsw_config"),
        "optimizer_config": _merged(
            _OPTIMIZER, body.get("optimizers_config") or body.get("optimizer_config"), "optimizers_config"
        ),
        "wal_config": _merged(_WAL, body.get("wal_config"), "wal_config"),
        "quantization_config": _quantization(body.get("quantization_config") or body.get("quantization")),
    }
    for key in ("strict_mode_config", "metadata"):
        if body.get(key) is not None:
            config[key] = body[key]
    return config


def updated_config(config: Json, body: Json) -> Json:
    """`config` after a PATCH with `body`; the old one is left as it is."""
    new = copy.deepcopy(config)
    for key in ("replication_factor", "write_consistency_factor", "read_fan_out_factor", "on_disk_payload"):
        given = (body.get("params") or {}).get(key)
        if given is not None:
            new["params"][key] = given
    new["hnsw_config"] = _merged(new["hnsw_config"], body.get("hnsw_config"), "hnsw_config")
    optimizers = body.get("optimizers_config") or body.get("optimizer_config")
    new["optimizer_config"] = _merged(new["optimizer_config"], optimizers, "optimizers_config")
    quantization = body.get("quantization_config")
    if quantization is not None:
        new["quantization_config"] = None if quantization == "Disabled" else _quantization(quantization)
    for name, diff in (body.get("vectors") or {}).items():
        _update_vector(new["params"]["vectors"], name, diff)
    for name, diff in (body.get("sparse_vectors") or {}).items():
        known = new["params"].get("sparse_vectors") or {}
        if name not in known:
            raise bad_input(f"Not existing vector name error: {name}")
        known[name].update({key: given for key, given in diff.items() if given is not None})
    for key in ("strict_mode_config", "metadata"):
        if body.get(key) is not None:
            new[key] = {**new.get(key, {}), **body[key]}
    return new


def _update_vector(vectors: Json, name: str, diff: Json) -> None:
    target = vectors if "size" in vectors and name == "" else None if "size" in vectors else vectors.get(name)
    if target is None:
        raise bad_input(f"Not existing vector name error: {name}")
    for key in ("hnsw_config", "quantization_config", "on_disk"):
        given = diff.get(key)
        if given == "Disabled":
            target.pop(key, None)
        elif isinstance(given, dict) and key == "hnsw_config":
            target[key] = {**target.get(key, {}), **{one: value for one, value in given.items() if value is not None}}
        elif given is not None:
            target[key] = given


def engine_config(config: Json) -> edge.EdgeConfig:
    """What the engine needs of a reported `config`: the shape of the vectors and where payloads live.

    HNSW, optimizer and quantization settings are kept and reported but not given to the engine: this server never
    builds those indexes (building one blocks every request for seconds), all searches are exact.
    """
    params = config["params"]
    declared = params["vectors"]
    dense = {"": declared} if "size" in declared else declared
    sparse = params.get("sparse_vectors") or {}
    if not dense and not sparse:
        # Qdrant has collections of payloads only, the engine wants a vector: this one is never shown or written.
        sparse = {"(none)": {}}
    return edge.EdgeConfig(
        vectors={name: _engine_dense(one) for name, one in dense.items()},
        sparse_vectors={name: _engine_sparse(one) for name, one in sparse.items()} or None,
        on_disk_payload=params["on_disk_payload"],
        max_search_threads=2,
    )


def _engine_dense(one: Json) -> edge.EdgeVectorParams:
    multi = edge.MultiVectorConfig(edge.MultiVectorComparator.MaxSim) if one.get("multivector_config") else None
    return edge.EdgeVectorParams(
        size=one["size"],
        distance=_DISTANCES[one["distance"]],
        on_disk=one.get("on_disk"),
        multivector_config=multi,
        datatype=_DATATYPES.get(one.get("datatype", "")),
    )


def _engine_sparse(one: Json) -> edge.EdgeSparseVectorParams:
    index = one.get("index") or {}
    return edge.EdgeSparseVectorParams(
        full_scan_threshold=index.get("full_scan_threshold"),
        on_disk=index.get("on_disk"),
        modifier=edge.Modifier.Idf if one.get("modifier") == "idf" else None,
        datatype=_DATATYPES.get(index.get("datatype", "")),
    )


def _vectors(given: Any) -> Json:
    if given is None:
        return {}
    if type(given) is not dict:
        raise _no_vectors_config()
    if "size" in given or "distance" in given:
        return _vector(given, "vectors")
    if any(type(one) is not dict for one in given.values()):
        raise _no_vectors_config()
    for name in given:
        _check_vector_name(name, "dense")
    return {name: _vector(given[name], f"vectors.{name}") for name in sorted(given)}


def _vector(given: Json, label: str) -> Json:
    size, distance = given.get("size"), given.get("distance")
    if type(size) is not int or size < 0 or distance not in _DISTANCES:
        raise _no_vectors_config()
    if not 1 <= size <= 65536:
        raise validation_error(f"{label}.size", f"value {size} invalid, must be from 1 to 65536")
    kept: Json = {"size": size, "distance": distance}
    for key in ("hnsw_config", "quantization_config", "on_disk", "datatype", "multivector_config"):
        value = given.get(key)
        if isinstance(value, dict):
            value = {one: inner for one, inner in value.items() if inner is not None}
        if value is not None and value != {}:
            kept[key] = value
    if kept.get("datatype", "float32") not in _DATATYPES:
        raise bad_input(f"Datatype {kept['datatype']} is not supported by the embedded server")
    return kept


def _no_vectors_config() -> ApiError:
    return format_error("data did not match any variant of untagged enum VectorsConfig")


def _sparse_vectors(given: Any) -> Json:
    sparse: Json = {}
    for name, one in (given or {}).items():
        _check_vector_name(name, "sparse")
        if name == "":
            raise bad_input("Sparse vector name cannot be empty")
        sparse[name] = {key: value for key, value in (one or {}).items() if value is not None}
    return sparse


def _check_vector_name(name: str, kind: str) -> None:
    if len(name.encode()) > 200 or any(char in name for char in _INVALID_NAME_CHARS):
        raise bad_input(f"Invalid {kind} vector name `{name}`: vector name is too long or has a forbidden character")


def _merged(base: Json, diff: Any, label: str) -> Json:
    """`base` with what `diff` sets. Unknown fields are ignored, as Qdrant ignores them."""
    merged = dict(base)
    if diff is None:
        return merged
    if type(diff) is not dict:
        raise format_error(f"invalid type: {describe(diff)}, expected struct")
    known = _HNSW_KEYS if label == "hnsw_config" else set(base)
    for key, value in diff.items():
        name = key.removesuffix("_kb")
        if name not in known or value is None:
            continue
        least = _MINIMUM.get(name)
        if least is not None and type(value) is int and value < least:
            raise validation_error(f"{label}.{name}", f"value {value} invalid, must be {least} or larger")
        merged[name] = None if value == "auto" else value
    return merged


def _quantization(given: Any) -> Json | None:
    if given is None:
        return None
    if type(given) is not dict or len(given) != 1 or next(iter(given)) not in _QUANTIZATIONS:
        raise format_error("data did not match any variant of untagged enum QuantizationConfig")
    kind, settings = next(iter(given.items()))
    return {kind: {key: value for key, value in settings.items() if value is not None}}
