"""Starts the embedded Qdrant: `python server.py --host 127.0.0.1 --port N --storage DIR`.

Prints `ready port=N` once the socket listens and every collection is open. SIGTERM and SIGINT finish the running
requests, flush and close. The API key comes from the environment, as with real Qdrant.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import signal
import socket
import sys
from pathlib import Path

# The directory may be read-only, or part of a package that should stay as it was installed.
sys.dont_write_bytecode = True

import uvicorn  # noqa: E402

from embedded_qdrant.http import Application  # noqa: E402
from embedded_qdrant.routes import all_routes  # noqa: E402
from embedded_qdrant.store import Store  # noqa: E402

_FLUSH_CHECK_SECONDS = 1.0
_SHUTDOWN_SECONDS = 10


def main() -> int:
    """Runs the server until it is told to stop. Returns the process's exit code."""
    options = _arguments()
    try:
        listener = _listen(options.host, options.port)
        store = Store(options.storage)
    except OSError as error:
        print(f"cannot start: {error}", file=sys.stderr)
        return 1
    _collect_seldom()
    # uvicorn raises the signal again after its own shutdown; the collections still have to be closed then.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    try:
        asyncio.run(_serve(store, listener, os.environ.get(options.api_key_env)))
    finally:
        store.close()
    return 0


def _collect_seldom() -> None:
    """A page of points is a hundred thousand objects without a circle: looking for circles among them, as often as
    Python does, takes as long as making them."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 50, 100)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Qdrant's REST API over Qdrant's embedded engine")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: loopback only)")
    parser.add_argument("--port", type=int, default=6333, help="0 takes a free one")
    parser.add_argument("--storage", type=Path, required=True, help="directory for collections and snapshots")
    parser.add_argument("--api-key-env", default="QDRANT__SERVICE__API_KEY", help="environment variable with the key")
    return parser.parse_args()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Accepted connections inherit it; without it every answer waits 40 ms for the client's delayed ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.bind((host, port))
    return listener


class _Server(uvicorn.Server):
    """Says on stdout when it is ready."""

    def __init__(self, config: uvicorn.Config, port: int) -> None:
        super().__init__(config)
        self._port = port

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(f"ready port={self._port}", flush=True)


async def _serve(store: Store, listener: socket.socket, api_key: str | None) -> None:
    config = uvicorn.Config(
        Application(store, all_routes(), api_key),
        http="httptools",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )
    flusher = asyncio.create_task(_flush_regularly(store))
    try:
        await _Server(config, listener.getsockname()[1]).serve(sockets=[listener])
    finally:
        flusher.cancel()


async def _flush_regularly(store: Store) -> None:
    while True:
        await asyncio.sleep(_FLUSH_CHECK_SECONDS)
        store.flush_stale()


if __name__ == "__main__":
    sys.exit(main())
