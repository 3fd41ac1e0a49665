"""Searching: `search`, `query`, and their batches."""

from __future__ import annotations

from typing import Any

import qdrant_edge as edge

from .collection import Collection
from .errors import bad_input, format_error, validation_error
from .filters import parse_filter
from .jsonio import Json, optional_bool, optional_number, optional_uint, required
from .points_read import order_by, payload_selector, vector_selector
from .query_vectors import Examples
from .store import Store
from .vectors import shortest_f32, vector_json

_DEFAULT_LIMIT = 10
_RRF_K = 2
_STRATEGIES = {"best_score": edge.Query.RecommendBestScore, "sum_scores": edge.Query.RecommendSumScores}
_NOT_SUPPORTED = ("formula", "relevance_feedback")


def search(collection: Collection, body: Json) -> list[Json]:
    """`POST …/points/search`: nearest to a vector; best first."""
    vector, using = required(body, "vector"), ""
    if isinstance(vector, dict):
        vector, using = required(vector, "vector"), vector.get("name", "")
    collection.space.check_using(using)
    wanted = {"limit": required(body, "top" if "top" in body else "limit")}
    limit = optional_uint(wanted, "limit", "search_request.limit", minimum=1)
    examples = Examples(collection, collection, using)
    nearest = edge.Query.Nearest(examples.vector(vector), using)
    return _run(collection, body, nearest, parse_filter(body.get("filter")), [], limit or 1)


def query(store: Store, name: str, body: Json) -> Json:
    """`POST …/points/query`. `name` is a collection or alias."""
    collection = store.get(name)
    stage = _Stage(store, collection, body)
    limit = optional_uint(body, "limit", "internal.limit", minimum=1) or _DEFAULT_LIMIT
    prefetches = [_prefetch(store, collection, one) for one in _one_or_many(body.get("prefetch"))]
    return {"points": _run(collection, body, stage.query, stage.filter, prefetches, limit)}


def _run(
    collection: Collection, body: Json, wanted: Any, condition: edge.Filter | None, prefetches: list[Any], limit: int
) -> list[Json]:
    payload = payload_selector(body.get("with_payload"), False)
    vector = vector_selector(body)
    request = edge.QueryRequest(
        limit=limit,
        offset=optional_uint(body, "offset"),
        query=wanted,
        prefetches=prefetches or None,
        with_vector=vector,
        with_payload=payload,
        filter=condition,
        score_threshold=optional_number(body, "score_threshold"),
        params=search_params(body.get("params")),
    )
    return [
        _scored(collection, one, payload is not False, vector is not False) for one in collection.shard.query(request)
    ]


def _scored(collection: Collection, point: Any, with_payload: bool, with_vector: bool) -> Json:
    scored: Json = {"id": point.id, "version": point.version, "score": shortest_f32(point.score)}
    if with_payload:
        scored["payload"] = point.payload
    if with_vector:
        scored["vector"] = vector_json(point, collection.plain_names)
    if point.order_value is not None:
        scored["order_value"] = point.order_value
    return scored


def search_params(given: Any) -> edge.SearchParams | None:
    """`params`. `indexed_only` is not passed on: nothing is indexed here, and real Qdrant would find its indexes."""
    if given is None:
        return None
    if type(given) is not dict:
        raise format_error("invalid type: expected struct SearchParams")
    return edge.SearchParams(hnsw_ef=optional_uint(given, "hnsw_ef"), exact=optional_bool(given, "exact", False))


def _one_or_many(given: Any) -> list[Any]:
    if given is None:
        return []
    return given if type(given) is list else [given]


def _prefetch(store: Store, collection: Collection, body: Json) -> edge.Prefetch:
    stage = _Stage(store, collection, body)
    return edge.Prefetch(
        limit=optional_uint(body, "limit", "prefetch.limit", minimum=1) or _DEFAULT_LIMIT,
        query=stage.query,
        prefetches=[_prefetch(store, collection, one) for one in _one_or_many(body.get("prefetch"))] or None,
        params=search_params(body.get("params")),
        filter=stage.filter,
        score_threshold=optional_number(body, "score_threshold"),
    )


class _Stage:
    """The query of a request or prefetch, with the filter that keeps the points it was asked by out of its result."""

    def __init__(self, store: Store, collection: Collection, body: Json) -> None:
        self._using = body.get("using") or ""
        lookup = body.get("lookup_from")
        source = store.get(required(lookup, "collection")) if lookup else collection
        vector_name = (lookup or {}).get("vector") or self._using
        self._examples = Examples(collection, source, self._using, vector_name)
        self._check_using = lambda: collection.space.check_using(self._using)
        self.query = self._parse(body.get("query"))
        self.filter = self._examples.excluding(parse_filter(body.get("filter")))

    def _parse(self, given: Any) -> Any:
        if given is None:
            return None
        if isinstance(given, dict) and "indices" not in given and not {"text", "image", "object"} & given.keys():
            return self._typed(given)
        self._check_using()
        return edge.Query.Nearest(self._examples.vector(given), self._using)

    def _typed(self, given: Json) -> Any:
        for name in _NOT_SUPPORTED:
            if name in given:
                raise bad_input(f"{name} queries are not supported by the embedded server")
        if "order_by" in given:
            return order_by(given["order_by"])
        if "fusion" in given:
            return self._fusion(given["fusion"])
        if "rrf" in given:
            settings = given["rrf"]
            return edge.Fusion.Rrf(optional_uint(settings, "k", minimum=1) or _RRF_K, settings.get("weights"))
        if "sample" in given:
            return edge.Sample.Random
        self._check_using()
        if "nearest" in given:
            return self._nearest(given)
        if "recommend" in given:
            return self._recommend(given["recommend"])
        if "discover" in given:
            target = self._examples.vector(required(given["discover"], "target"))
            pairs = self._pairs(given["discover"].get("context"))
            return edge.Query.Discover(edge.DiscoverQuery(target, pairs), self._using)
        if "context" in given:
            return edge.Query.Context(edge.ContextQuery(self._pairs(given["context"])), self._using)
        raise format_error("Expected some form of vector, id, or a type of query")

    def _fusion(self, kind: Any) -> Any:
        if kind == "rrf":
            return edge.Fusion.Rrf(_RRF_K)
        if kind == "dbsf":
            return edge.Fusion.Dbsf()
        raise format_error("Expected some form of vector, id, or a type of query")

    def _nearest(self, given: Json) -> Any:
        vector = self._examples.vector(given["nearest"])
        mmr = given.get("mmr")
        if mmr is None:
            return edge.Query.Nearest(vector, self._using)
        diversity = optional_number(mmr, "diversity")
        if diversity is not None and not 0 <= diversity <= 1:
            raise validation_error("mmr.diversity", f"value {diversity} invalid, must be from 0.0 to 1.0")
        relevance = 0.5 if diversity is None else 1 - diversity
        return edge.Mmr(vector, relevance, optional_uint(mmr, "candidates_limit") or _DEFAULT_LIMIT, self._using)

    def _recommend(self, given: Json) -> Any:
        positives = [self._examples.vector(one) for one in given.get("positive") or []]
        negatives = [self._examples.vector(one) for one in given.get("negative") or []]
        strategy = given.get("strategy") or "average_vector"
        if strategy in _STRATEGIES:
            if not positives and not negatives:
                raise bad_input("At least one positive or negative vector ID required")
            return _STRATEGIES[strategy](edge.RecommendQuery(positives, negatives), self._using)
        if not positives:
            raise bad_input("At least one positive vector ID required with this strategy")
        return edge.Query.Nearest(_average(positives, negatives), self._using)

    def _pairs(self, given: Any) -> list[edge.ContextPair]:
        pairs = []
        for one in _one_or_many(given):
            positive = self._examples.vector(required(one, "positive"))
            pairs.append(edge.ContextPair(positive, self._examples.vector(required(one, "negative"))))
        return pairs


def _average(positives: list[Any], negatives: list[Any]) -> list[float]:
    """Qdrant's `average_vector`: the mean of the positives, moved away from the mean of the negatives."""
    if any(not isinstance(one, list) or isinstance(one[0], list) for one in (*positives, *negatives)):
        raise bad_input("average_vector recommendations of sparse or multi vectors are not supported by this server")
    positive = [sum(column) / len(positives) for column in zip(*positives, strict=True)]
    if not negatives:
        return positive
    negative = [sum(column) / len(negatives) for column in zip(*negatives, strict=True)]
    return [plus + plus - minus for plus, minus in zip(positive, negative, strict=True)]
