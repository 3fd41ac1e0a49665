"""Payload index schemas: from the request to the engine, and back into `payload_schema`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qdrant_edge as edge

from .errors import format_error
from .jsonio import Json

_TYPES = {
    "keyword": (edge.PayloadSchemaType.Keyword, edge.KeywordIndexParams, ("is_tenant",)),
    "integer": (edge.PayloadSchemaType.Integer, edge.IntegerIndexParams, ("lookup", "range", "is_principal")),
    "float": (edge.PayloadSchemaType.Float, edge.FloatIndexParams, ("is_principal",)),
    "geo": (edge.PayloadSchemaType.Geo, edge.GeoIndexParams, ()),
    "text": (edge.PayloadSchemaType.Text, edge.TextIndexParams, ()),
    "bool": (edge.PayloadSchemaType.Bool, edge.BoolIndexParams, ()),
    "datetime": (edge.PayloadSchemaType.Datetime, edge.DatetimeIndexParams, ("is_principal",)),
    "uuid": (edge.PayloadSchemaType.Uuid, edge.UuidIndexParams, ("is_tenant",)),
}
_TEXT_KEYS = ("min_token_len", "max_token_len", "lowercase", "ascii_folding", "phrase_matching")
_NO_SCHEMA = "data did not match any variant of untagged enum PayloadFieldSchema"


def parse_schema(given: Any) -> tuple[Any, Json]:
    """The engine's schema, and what `payload_schema` reports of it (`data_type` and, if given, `params`)."""
    if type(given) is str and given in _TYPES:
        return _TYPES[given][0], {"data_type": given}
    if type(given) is not dict or given.get("type") not in _TYPES:
        raise format_error(_NO_SCHEMA)
    kind = given["type"]
    params = {key: value for key, value in given.items() if value is not None}
    if kind == "text":
        params.setdefault("tokenizer", "word")
    try:
        schema = _text_params(params) if kind == "text" else _plain_params(kind, params)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise format_error(_NO_SCHEMA) from error
    return schema, {"data_type": kind, "params": params}


def _plain_params(kind: str, params: Json) -> Any:
    _, build, own_keys = _TYPES[kind]
    keys = (*own_keys, "on_disk", "enable_hnsw")
    return build(**{key: params[key] for key in keys if key in params})


def _text_params(params: Json) -> edge.TextIndexParams:
    settings: Json = {key: params[key] for key in (*_TEXT_KEYS, "on_disk", "enable_hnsw") if key in params}
    settings["tokenizer"] = _member(edge.TokenizerType, params["tokenizer"])
    stopwords = params.get("stopwords")
    if isinstance(stopwords, str):
        settings["stopwords"] = _member(edge.Language, stopwords)
    elif stopwords is not None:
        languages = {_member(edge.Language, one) for one in stopwords.get("languages") or []}
        settings["stopwords"] = edge.StopwordsSet(languages or None, set(stopwords.get("custom") or []) or None)
    stemmer = params.get("stemmer")
    if stemmer is not None:
        snowball: Callable[[Any], Any] = edge.SnowballParams
        settings["stemmer"] = snowball(_member(edge.SnowballLanguage, stemmer["language"]))
    return edge.TextIndexParams(**settings)


def _member(enum: Any, name: str) -> Any:
    """`english` → `Language.English`."""
    return getattr(enum, name.capitalize())


def data_type_name(engine_type: Any) -> str:
    """The JSON name of an engine schema type, for an index that only the engine knows of."""
    return next(name for name, (kind, _, _) in _TYPES.items() if kind == engine_type)
