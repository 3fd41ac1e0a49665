"""The vectors that a query is given: written out, or the id of a point that has one."""

from __future__ import annotations

from typing import Any

import qdrant_edge as edge

from .collection import Collection
from .errors import not_found
from .ids import PointId, parse_id
from .vectors import no_inference, sparse_vector


class Examples:
    """Resolves the vectors of one query and remembers which points it was asked by."""

    def __init__(self, searched: Collection, source: Collection, using: str, vector_name: str | None = None) -> None:
        """`source` is where ids are looked up (the searched collection unless `lookup_from` names another)."""
        self._searched = searched
        self._source = source
        self._name = using if vector_name is None else vector_name
        self._asked_by: list[PointId] = []

    def vector(self, given: Any) -> Any:
        """A dense, sparse or multi vector from JSON, or that of the point whose id is given; 404 if there is none."""
        if type(given) is list:
            return given
        if type(given) is dict:
            if {"text", "image", "object"} & given.keys():
                raise no_inference()
            return sparse_vector(given)
        return self._of_point(parse_id(given))

    def _of_point(self, identifier: PointId) -> Any:
        found = self._source.shard.retrieve([identifier], False, True)
        if not found:
            raise not_found(f"No point with id {identifier} found")
        self._asked_by.append(identifier)
        stored = found[0].vector
        vector = stored.get(self._name) if isinstance(stored, dict) else stored
        if vector is None:
            raise not_found(f'Vector with name "{self._name}" for point not found')
        return vector

    def excluding(self, condition: edge.Filter | None) -> edge.Filter | None:
        """`condition`, without the points that the query was asked by, if those are of the searched collection."""
        if not self._asked_by or self._source is not self._searched:
            return condition
        return edge.Filter(
            must=[condition] if condition is not None else None,
            must_not=[edge.HasIdCondition(set(self._asked_by))],
        )
