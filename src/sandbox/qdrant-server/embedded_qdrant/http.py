"""The HTTP side: an ASGI application that finds the handler, checks the key, reads the body and words the answer."""

from __future__ import annotations

import hmac
import inspect
import os
import sys
import time
import traceback
import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson

from .errors import ApiError, format_error, from_engine
from .jsonio import Json, parse_object
from .store import Store

MAX_BODY_BYTES = 32 * 1024 * 1024
"""Qdrant's default `max_request_size_mb`; larger JSON bodies are refused with 400."""

_OPEN_ROUTES = {(), ("healthz",), ("readyz",), ("livez",)}
_FILE_CHUNK = 1 << 20
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class Request:
    """What a handler is given."""

    def __init__(self, store: Store, scope: Any, receive: Receive, params: list[str]) -> None:
        self.store = store
        self.params = params
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        query: bytes = scope["query_string"]
        self.query = dict(urllib.parse.parse_qsl(query.decode("latin-1"), keep_blank_values=True))
        self.body_size = 0
        self._receive = receive

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives."""
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ConnectionResetError("the client went away")
            more = message.get("more_body", False)
            yield message.get("body", b"")

    async def json(self) -> Json:
        """The body as a JSON object. Raises 400 for another content type, a body above 32 MiB, or no object."""
        kind = self.headers.get(b"content-type", b"").split(b";")[0].strip().lower()
        if kind != b"application/json" and not kind.endswith(b"+json"):
            raise ApiError(400, "Content type error")
        declared = int(self.headers.get(b"content-length", b"0"))
        if declared > MAX_BODY_BYTES:
            raise ApiError(
                400, f"JSON payload ({declared} bytes) is larger than allowed (limit: {MAX_BODY_BYTES} bytes)."
            )
        parts: list[bytes] = []
        async for chunk in self.chunks():
            self.body_size += len(chunk)
            if self.body_size > MAX_BODY_BYTES:
                raise ApiError(400, f"JSON payload has exceeded limit ({MAX_BODY_BYTES} bytes).")
            parts.append(chunk)
        return parse_object(parts[0] if len(parts) == 1 else b"".join(parts))

    def flag(self, name: str, default: bool) -> bool:
        """A boolean query parameter. Raises 400 for anything but true and false."""
        value = self.query.get(name)
        if value is None:
            return default
        if value not in ("true", "false"):
            raise ApiError(400, "Deserialize error in query parameters: provided string was not `true` or `false`")
        return value == "true"


class Plain:
    """An answer that is not in the usual envelope."""

    def __init__(self, body: bytes, content_type: bytes = b"text/plain; charset=utf-8", status: int = 200) -> None:
        self.body = body
        self.content_type = content_type
        self.status = status


class Accepted:
    """202: the work goes on after the answer (`wait=false` of snapshot operations)."""


class Download:
    """A file to be sent as an attachment."""

    def __init__(self, path: Path) -> None:
        self.path = path


Handler = Callable[[Request], Any]
Routes = dict[tuple[str, int], list[tuple[tuple[str, ...], Handler]]]


def route_table(routes: list[tuple[str, str, Handler]]) -> Routes:
    """Groups `(method, "/path/{}", handler)` by method and number of segments. Earlier routes win."""
    table: Routes = {}
    for method, path, handler in routes:
        pattern = tuple(one for one in path.split("/") if one)
        table.setdefault((method, len(pattern)), []).append((pattern, handler))
    return table


class Application:
    """The ASGI application."""

    def __init__(self, store: Store, routes: Routes, api_key: str | None) -> None:
        self._store = store
        self._routes = routes
        self._api_key = api_key.encode() if api_key else None

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        # raw_path keeps an escaped slash inside a segment; doubled and trailing slashes mean nothing to Qdrant.
        segments = [urllib.parse.unquote(one) for one in scope["raw_path"].decode("latin-1").split("/") if one]
        handler, params, pattern = self._find(scope["method"], segments)
        refusal = None if handler and pattern in _OPEN_ROUTES else self._refusal(scope["headers"])
        if refusal is not None:
            await _send(send, 401, refusal, b"text/plain; charset=utf-8")
        elif handler is None:
            # Qdrant's own answer has no body; one in the shape of its other errors tells a client what it asked for.
            problem = f"Not found: no route for {scope['method']} {scope['path']}"
            body = {"status": {"error": problem}, "time": 0.0}
            await _send(send, 404, orjson.dumps(body), b"application/json")
        else:
            await self._answer(handler, Request(self._store, scope, receive, params), send)

    def _find(self, method: str, segments: list[str]) -> tuple[Handler | None, list[str], tuple[str, ...]]:
        for pattern, handler in self._routes.get((method, len(segments)), ()):
            if all(want in ("{}", got) for want, got in zip(pattern, segments)):
                return handler, [got for want, got in zip(pattern, segments) if want == "{}"], pattern
        return None, [], ()

    def _refusal(self, headers: list[tuple[bytes, bytes]]) -> bytes | None:
        """The text of a 401, or None where the request may pass."""
        if self._api_key is None:
            return None
        given = dict(headers)
        key = given.get(b"api-key")
        bearer = given.get(b"authorization", b"")
        if key is None and bearer.startswith(b"Bearer "):
            key = bearer.removeprefix(b"Bearer ")
        if key is None:
            return b"Must provide an API key or an Authorization bearer token"
        return None if hmac.compare_digest(key, self._api_key) else b"Invalid API key or JWT"

    async def _answer(self, handler: Handler, request: Request, send: Send) -> None:
        started = time.perf_counter()
        try:
            result = handler(request)
            if inspect.isawaitable(result):
                result = await result
        except ConnectionResetError:
            return
        except BaseException as error:  # the engine's panics are not `Exception`s
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            problem = _as_api_error(error)
            body = {"status": {"error": problem.message}, "time": time.perf_counter() - started}
            await _send(send, problem.status, orjson.dumps(body), b"application/json")
            return
        if isinstance(result, Plain):
            await _send(send, result.status, result.body, result.content_type)
        elif isinstance(result, Download):
            await _send_file(send, result.path)
        elif isinstance(result, Accepted):
            body = {"status": "accepted", "time": time.perf_counter() - started}
            await _send(send, 202, orjson.dumps(body), b"application/json")
        else:
            body = {"result": result, "status": "ok", "time": time.perf_counter() - started}
            await _send(send, 200, orjson.dumps(body), b"application/json")


def _as_api_error(error: BaseException) -> ApiError:
    if isinstance(error, ApiError):
        return error
    if type(error) is Exception:  # what the engine raises for its own errors
        return from_engine(str(error))
    if isinstance(error, KeyError):
        return format_error(f"missing field `{error.args[0]}`")
    if isinstance(error, (TypeError, ValueError, OverflowError, AttributeError)):
        # A value of the wrong type went as far as the engine's argument conversion.
        traceback.print_exception(error, limit=-2, file=sys.stderr)
        return format_error(str(error).split("\n")[0])
    traceback.print_exception(error, file=sys.stderr)
    return ApiError(500, f"Service internal error: {error}")


async def _send(send: Send, status: int, body: bytes, content_type: bytes | None) -> None:
    headers = [(b"content-length", str(len(body)).encode())]
    if content_type is not None:
        headers.append((b"content-type", content_type))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _send_file(send: Send, path: Path) -> None:
    name = urllib.parse.quote(path.name)
    with open(path, "rb") as file:
        left = os.fstat(file.fileno()).st_size
        headers = [
            (b"content-length", str(left).encode()),
            (b"content-type", b"application/octet-stream"),
            (b"content-disposition", f"attachment; filename*=UTF-8''{name}".encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        while left > 0 and (chunk := file.read(min(_FILE_CHUNK, left))):
            left -= len(chunk)
            await send({"type": "http.response.body", "body": chunk, "more_body": left > 0})
        if path.stat().st_size == 0:
            await send({"type": "http.response.body", "body": b""})
