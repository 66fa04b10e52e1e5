"""The API processes of one server (--api-server-count): what one of them holds, all of them find.

A request that names a response (a control request, one for a stored response or that goes on from one) is
passed on whole to the process that holds it. They talk over Unix sockets in a folder of this user alone.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import uvicorn
from fastapi import FastAPI
from starlette.datastructures import QueryParams
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from vllm.entrypoints.launchers.launcher import NoSignalServer

from server.api import control
from server.api.authentication import key_of
from server.api.body import Replay, read_body
from server.api.failures import RESPONSES_PATH
from server.api.paths import route_path

HOLDS_PATH = "/holds"
ASK_WITHIN_S = 10.0
STORED_PATH = f"{RESPONSES_PATH}/"
NAMES_PREVIOUS = b"previous_response_id"

Holds = Callable[[str, str | None], bool]
"""Whether this process holds the response with this id, for the key of this name."""


class Peers:
    """This process's door for the others, and its way to theirs."""

    def __init__(self, folder: str, index: int, count: int) -> None:
        self.inner: ASGIApp | None = None
        """What is behind this process's PeersMiddleware."""
        paths = [Path(folder) / f"{each}.sock" for each in range(count)]
        self._own = paths.pop(index)
        self._others = [
            httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(path)), base_url="http://peer")
            for path in paths
        ]

    @asynccontextmanager
    async def listening(self, app: FastAPI, outer: Sequence[Middleware], holds: Holds) -> AsyncIterator[None]:
        """While the others can reach `app`, from behind its PeersMiddleware on.

        What stands before that has seen a request where it came in, and would count it again; `outer` must
        see it all the same.
        """

        async def inner(scope: Scope, receive: Receive, send: Send) -> None:
            assert self.inner is not None
            scope["app"] = app
            await self.inner(scope, receive, send)

        entrance: ASGIApp = inner
        for each in reversed(outer):
            entrance = each.cls(entrance, *each.args, **each.kwargs)
        config = uvicorn.Config(
            _Door(entrance, holds), uds=str(self._own), lifespan="off", log_config=None, access_log=False
        )
        server = NoSignalServer(config)
        serving = asyncio.create_task(server.serve())
        try:
            yield
        finally:
            server.should_exit = True
            await serving
            for peer in self._others:
                await peer.aclose()

    async def holder(self, response_id: str, key_name: str | None) -> httpx.AsyncClient | None:
        """The process that holds the response; None where none of the others does."""
        asked = {"id": response_id, **({} if key_name is None else {"key": key_name})}

        async def ask(peer: httpx.AsyncClient) -> bool:
            try:
                answer = await peer.get(f"{HOLDS_PATH}?{urlencode(asked)}", timeout=ASK_WITHIN_S)
            except httpx.TransportError:  # it has ended, or has not begun
                return False
            return answer.status_code == 200

        held = await asyncio.gather(*(ask(peer) for peer in self._others))
        return next((peer for peer, holds in zip(self._others, held, strict=True) if holds), None)


class _Door:
    """What the others reach: the application, and whether a response is held here."""

    def __init__(self, app: ASGIApp, holds: Holds) -> None:
        self._app = app
        self._holds = holds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == HOLDS_PATH:
            asked = QueryParams(scope["query_string"])
            found = self._holds(asked["id"], asked.get("key"))
            await Response(status_code=200 if found else 404)(scope, receive, send)
            return
        await self._app(scope, receive, send)


class PeersMiddleware:
    """Passes a request on to the process that holds the response which it names."""

    def __init__(self, app: ASGIApp, peers: Peers, holds: Holds) -> None:
        self.app = peers.inner = app
        self._peers = peers
        self._holds = holds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Everything else is answered here, and what nobody holds."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = route_path(scope)
        raw = b""
        if path.startswith(STORED_PATH):
            named: object = path.removeprefix(STORED_PATH).partition("/")[0]
        elif scope["method"] == "POST" and path in (control.PATH, RESPONSES_PATH):
            raw, disconnect = await read_body(receive)
            if disconnect is not None:
                return
            receive = Replay(raw, receive)
            named = _named(path, raw)
        else:
            named = None
        key = key_of(scope)
        peer = None
        if isinstance(named, str) and named and not self._holds(named, key.name if key else None):
            peer = await self._peers.holder(named, key.name if key else None)
        if peer is None:
            await self.app(scope, receive, send)
        else:
            await _pass_on(peer, raw, scope, receive, send)


def _named(path: str, raw: bytes) -> object:
    """The response's id in a body; whatever is wrong with one is found by who answers it."""
    if path == RESPONSES_PATH and NAMES_PREVIOUS not in raw:
        return None
    try:
        body: Any = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(body, dict):
        return None
    return body.get("id" if path == control.PATH else NAMES_PREVIOUS.decode())


async def _pass_on(peer: httpx.AsyncClient, raw: bytes, scope: Scope, receive: Receive, send: Send) -> None:
    """Until the answer is whole, or the client has gone."""
    query = scope["query_string"].decode()
    request = peer.build_request(
        scope["method"],
        scope["path"] + (f"?{query}" if query else ""),
        headers=_headers(scope["headers"]),
        content=raw,
        timeout=None,
    )
    exchange = asyncio.ensure_future(_relay(peer, request, send))
    gone = asyncio.ensure_future(_disconnect(receive))
    await asyncio.wait((exchange, gone), return_when=asyncio.FIRST_COMPLETED)
    for each in (exchange, gone):
        if not each.done():
            each.cancel()
    await asyncio.gather(exchange, gone, return_exceptions=True)
    if not exchange.cancelled():
        exchange.result()


async def _relay(peer: httpx.AsyncClient, request: httpx.Request, send: Send) -> None:
    answer = await peer.send(request, stream=True)
    try:
        headers = _headers(answer.headers.raw)
        await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
        async for piece in answer.aiter_raw():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        await answer.aclose()


async def _disconnect(receive: Callable[[], Awaitable[Message]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _headers(given: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """All but those that are one connection's."""
    ours = (b"connection", b"keep-alive", b"transfer-encoding", b"content-length", b"date", b"server")
    return [(name, value) for name, value in given if name.lower() not in ours]
