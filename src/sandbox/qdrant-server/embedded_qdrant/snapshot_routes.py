"""The paths of collection snapshots."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any

from . import snapshots
from .http import Accepted, Download, Handler, Request
from .jsonio import Json, required
from .multipart import save_snapshot_part

_background: set[asyncio.Task[Any]] = set()
"""Tasks that answer nobody; the event loop itself holds them only weakly."""


async def _finish(request: Request, work: Coroutine[Any, Any, Any]) -> Any:
    """Waits for snapshot work, or answers 202 and lets it go on where the request says `wait=false`."""
    if request.flag("wait", True):
        return await work
    task = asyncio.create_task(work)
    _background.add(task)
    task.add_done_callback(_report)
    return Accepted()


def _report(task: asyncio.Task[Any]) -> None:
    _background.discard(task)
    if not task.cancelled() and task.exception() is not None:
        print(f"background snapshot operation failed: {task.exception()}", file=sys.stderr, flush=True)


def _list(request: Request) -> list[Json]:
    return snapshots.listing(request.store, request.params[0])


async def _create(request: Request) -> Any:
    request.store.get(request.params[0])
    return await _finish(request, snapshots.create(request.store, request.params[0]))


def _get(request: Request) -> Download:
    return Download(snapshots.find(request.store, *request.params))


def _delete(request: Request) -> bool:
    return snapshots.delete(request.store, *request.params)


async def _recover(request: Request) -> Any:
    body = await request.json()
    required(body, "location")
    return await _finish(request, snapshots.recover(request.store, request.params[0], body))


async def _upload(request: Request) -> Any:
    part = await save_snapshot_part(request, request.store.snapshots_path)

    async def work() -> bool:
        try:
            return await snapshots.restore(request.store, request.params[0], part, request.query.get("checksum"))
        finally:
            part.unlink(missing_ok=True)

    return await _finish(request, work())


_BASE = "/collections/{}/snapshots"
ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", _BASE, _list),
    ("POST", _BASE, _create),
    ("POST", f"{_BASE}/upload", _upload),
    ("PUT", f"{_BASE}/recover", _recover),
    ("GET", f"{_BASE}/{{}}", _get),
    ("DELETE", f"{_BASE}/{{}}", _delete),
]
