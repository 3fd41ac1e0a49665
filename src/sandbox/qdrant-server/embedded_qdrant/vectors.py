"""Vectors between JSON and the engine: what a collection accepts, and how stored vectors are written back."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from typing import Any

import orjson
import qdrant_edge as edge

from .errors import ApiError, bad_input, format_error, service_error, validation_error, wrong_dimension
from .jsonio import Json, describe

_INFERENCE_KEYS = {"text", "image", "object"}


@dataclass
class VectorSpace:
    """The vectors that the points of one collection may have.

    `single` is the length of the unnamed vector if that is plain (not a multivector), else None.
    `dense` maps each dense name ("" for the unnamed one) to (length, is a multivector).
    """

    single: int | None
    dense: dict[str, tuple[int, bool]]
    sparse: set[str] = field(default_factory=set)

    @staticmethod
    def of(params: Json) -> VectorSpace:
        """Reads `config.params` of a collection."""
        declared = params["vectors"]
        named = {"": declared} if "size" in declared else declared
        dense = {name: (one["size"], one.get("multivector_config") is not None) for name, one in named.items()}
        single = dense[""][0] if "" in dense and not dense[""][1] else None
        return VectorSpace(single, dense, set(params.get("sparse_vectors") or {}))

    def names(self) -> list[str]:
        """Every vector name; the unnamed vector is the empty string."""
        return [*self.dense, *sorted(self.sparse)]

    def point_vector(self, vector: Any) -> Any:
        """A point's `vector` from JSON as the engine takes it. Raises 400 or 422 in Qdrant's words."""
        if type(vector) is list:
            if self.single is not None and len(vector) == self.single:
                return vector  # the hot path; the engine checks that the elements are numbers
            return self._named("", vector)
        if type(vector) is dict:
            if _INFERENCE_KEYS & vector.keys() and "model" in vector:
                raise no_inference()
            return {name: self._named(name, one) for name, one in vector.items()}
        raise format_error("data did not match any variant of untagged enum VectorStruct")

    def _named(self, name: str, vector: Any) -> Any:
        if name in self.dense:
            return self._dense(self.dense[name], vector)
        if name in self.sparse:
            if type(vector) is list:
                raise bad_input("Conversion between sparse and regular vectors failed")
            return sparse_vector(vector)
        raise bad_input(f"Not existing vector name error: {name}")

    def _dense(self, shape: tuple[int, bool], vector: Any) -> Any:
        size, multi = shape
        if type(vector) is dict:
            if _INFERENCE_KEYS & vector.keys():
                raise no_inference()
            raise bad_input("Conversion between sparse and regular vectors failed")
        if type(vector) is not list:
            raise format_error("data did not match any variant of untagged enum Vector")
        if not vector:
            raise validation_error("vector", "dense vector must not be empty")
        rows = vector if type(vector[0]) is list else [vector]
        if rows is vector and not multi:
            raise bad_input("Conversion between multi and regular vectors failed")
        for row in rows:
            if len(row) != size:
                raise wrong_dimension(size, len(row))
        return rows if multi else vector

    def check_using(self, name: str) -> None:
        """Raises the 400 that a search names an unknown vector with."""
        if name in self.dense or name in self.sparse:
            return
        available = self.names()
        if not available:
            raise bad_input("Vectors are not configured in this collection")
        if available == [""]:
            raise bad_input(f"Vector with name {name} is not configured in this collection")
        listed = ", ".join(available)
        if name == "":
            raise bad_input(f"Collection requires specified vector name in the request, available names: {listed}")
        raise bad_input(f"Vector with name `{name}` is not configured in this collection, available names: {listed}")


def no_inference() -> ApiError:
    """500: documents, images and objects need Qdrant's inference service, which a plain server has not either."""
    return service_error(
        "InferenceService is not initialized. "
        "Please check if it was properly configured and initialized during startup."
    )


def sparse_vector(value: Any) -> edge.SparseVector:
    """`{"indices": […], "values": […]}`; indices unique, as many values as indices (422 otherwise)."""
    if type(value) is not dict or "indices" not in value or "values" not in value:
        raise format_error(f"invalid type: {describe(value)}, expected struct SparseVector")
    indices, values = value["indices"], value["values"]
    if len(indices) != len(values):
        raise validation_error("values", "must be the same length as indices")
    if len(set(indices)) != len(indices):
        raise validation_error("indices", "must be unique")
    return edge.SparseVector(indices, values)


def shortest_f32(value: float) -> float:
    """The shortest double that is the same 32-bit float, as Qdrant prints it: 0.9, not 0.8999999761581421."""
    packed = struct.pack("f", value)
    for digits in (6, 7, 8):
        short = float(f"{value:.{digits}g}")
        if struct.pack("f", short) == packed:
            return short
    return float(f"{value:.9g}")


_NON_FINITE = re.compile(r"-?\b(?:inf|NaN)\b")
_WHOLE = re.compile(r"(?<![\d.])(-?\d+)(?![\d.])")
_SPARSE = re.compile(r"SparseVector\(indices=(\[[^\]]*\]), values=(\[[^\]]*\])\)")
_PLAIN_NAME = re.compile(r"^[A-Za-z0-9_.\- ]*$")


def printable(names: list[str]) -> bool:
    """Whether the engine's own printing of these vector names is JSON, so that `vector_json` may use it."""
    return all(_PLAIN_NAME.match(name) and "inf" not in name and "NaN" not in name for name in names)


def vector_json(record: Any, plain: bool) -> Any:
    """The vectors of an engine record, ready for `orjson.dumps`.

    The engine prints a record with 32-bit floats in their shortest form, in Rust. Splicing that text into the response
    is nearly twice as fast as making a Python list of doubles and printing those, and half as long on the wire.
    `plain` says that the vector names need no escaping; with other names the slow way is taken.
    """
    text = repr(record) if plain else ""
    start = text.find("vector=") + 7
    end = text.find(", payload=", start)
    if start < 7 or end < 0:
        return _slow_vector(record.vector)
    text = text[start:end]
    if text.startswith("["):
        # Every number has its point, unless some are whole: those are printed bare and get theirs here.
        if text.count(".") != text.count(",") + 1:
            text = _WHOLE.sub(r"\1.0", text)
    else:
        text = _SPARSE.sub(r'{"indices":\1,"values":\2}', text)
    if "n" in text or "N" in text:
        text = _NON_FINITE.sub("null", text)
    return orjson.Fragment(text)


def _slow_vector(vector: Any) -> Any:
    if isinstance(vector, dict):
        return {name: _slow_vector(one) for name, one in vector.items()}
    if isinstance(vector, list):
        return [_slow_vector(one) if isinstance(one, list) else shortest_f32(one) for one in vector]
    if isinstance(vector, edge.SparseVector):
        return {"indices": vector.indices, "values": [shortest_f32(one) for one in vector.values]}
    return vector
