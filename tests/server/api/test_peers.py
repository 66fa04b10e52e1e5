"""Two API processes in one loop: what names a response is answered by the one that holds it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, StreamingResponse

from server.api import control
from server.api.authentication import KeyMiddleware, key_of
from server.api.peers import Peers, PeersMiddleware
from server.keys.key import Key, digest_of

KEYS = (Key("alice", digest_of("sk-a")), Key("bob", digest_of("sk-b")))
HERE, THERE = "resp_here", "resp_there"


@dataclass
class Process:
    """One of them. `asked` are the paths that its routes were asked for, `ended` the streams that ended."""

    name: str
    held: str
    asked: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    app: FastAPI = field(default_factory=FastAPI)

    def __post_init__(self) -> None:
        for path in (control.PATH, "/v1/responses", "/v1/responses/{response_id}"):
            self.app.add_api_route(path, self.answer, methods=["GET", "POST"])

    def holds(self, response_id: str, key_name: str | None) -> bool:
        return (response_id, key_name) == (self.held, "alice")

    async def answer(self, request: Request) -> Any:
        self.asked.append(request.url.path)
        body = await request.body()
        if b'"stream": true' in body:
            return StreamingResponse(self.stream(), media_type="text/event-stream")
        key, query = key_of(request.scope), request.url.query
        told = {"by": self.name, "body": body.decode(), "query": query, "key": key.name if key else None}
        return JSONResponse(told, 201, {"x-told": "yes"})

    async def stream(self) -> AsyncIterator[str]:
        try:
            for number in range(1000):
                yield f"data: {number}\n\n"
                await asyncio.sleep(0.01)
        finally:
            self.ended.append(self.name)


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[httpx.AsyncClient, Process, Process]]:
    """A client of the first process, and both."""
    processes = (Process("first", HERE), Process("second", THERE))
    guard = [Middleware(KeyMiddleware, keys=KEYS, endpoints=())]
    async with AsyncExitStack() as stack:
        for index, each in enumerate(processes):
            peers = Peers(str(tmp_path), index, 2)
            each.app.user_middleware = [*guard, Middleware(PeersMiddleware, peers=peers, holds=each.holds)]
            each.app.middleware_stack = each.app.build_middleware_stack()
            await stack.enter_async_context(peers.listening(each.app, guard, each.holds))
        for each in processes:
            while not (tmp_path / f"{processes.index(each)}.sock").exists():
                await asyncio.sleep(0.01)
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=processes[0].app),
            base_url="http://server",
            headers={"Authorization": "Bearer sk-a"},
        )
        yield await stack.enter_async_context(client), *processes


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", control.PATH, {"id": THERE, "action": "end_thinking"}),
        ("GET", f"/v1/responses/{THERE}", None),
        ("POST", "/v1/responses", {"input": "x", "previous_response_id": THERE}),
    ],
)
async def test_request_that_names_a_response_goes_to_its_holder_whole(
    pair: Any, method: str, path: str, body: Any
) -> None:
    client, first, second = pair
    got = await client.request(method, f"{path}?a=b", json=body)
    assert (got.status_code, got.headers["x-told"]) == (201, "yes")
    told = got.json()
    assert (told["by"], told["query"], told["key"]) == ("second", "a=b", "alice")
    assert (json.loads(told["body"]) if body else None) == body
    assert (first.asked, second.asked) == ([], [path])


@pytest.mark.parametrize("named", [HERE, "resp_nobody"])
async def test_what_is_held_here_or_nowhere_is_answered_here(pair: Any, named: str) -> None:
    client, _, second = pair
    assert (await client.get(f"/v1/responses/{named}")).json()["by"] == "first"
    assert (await client.post(control.PATH, json={"id": named})).json()["by"] == "first"
    assert second.asked == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"id": 7}', b'{"id": ""}', b"[" * 100_000])
async def test_body_that_names_nothing_is_answered_here_as_it_came(pair: Any, body: bytes) -> None:
    client, _, second = pair
    told = (await client.post(control.PATH, content=body)).json()
    assert (told["by"], told["body"]) == ("first", body.decode())
    assert second.asked == []


async def test_no_other_key_is_led_to_a_response(pair: Any) -> None:
    client, _, second = pair
    bob = {"Authorization": "Bearer sk-b"}
    assert (await client.get(f"/v1/responses/{THERE}", headers=bob)).json()["by"] == "first"
    assert (await client.get(f"/v1/responses/{THERE}", headers={"Authorization": "x"})).status_code == 401
    assert second.asked == []


async def test_stream_comes_as_it_is_made_and_ends_where_its_client_goes(pair: Any) -> None:
    client, first, second = pair
    scope = client.build_request(
        "POST", "/v1/responses", json={"previous_response_id": THERE, "stream": True}
    )
    came, gone = list[bytes](), asyncio.Event()
    sent = [{"type": "http.request", "body": scope.content.replace(b":true", b": true"), "more_body": False}]

    async def receive() -> Any:
        if sent:
            return sent.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        came.append(message.get("body", b""))
        if len(came) == 4:
            gone.set()

    asgi: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": "/v1/responses",
        "query_string": b"",
        "headers": [(b"authorization", b"Bearer sk-a"), (b"content-type", b"application/json")],
    }
    await asyncio.wait_for(first.app(asgi, receive, send), 20)
    assert b"".join(came).startswith(b"data: 0\n\ndata: 1")
    for _ in range(500):
        if second.ended:
            break
        await asyncio.sleep(0.01)
    assert second.ended == ["second"]
    assert len(came) < 100


async def test_process_that_has_gone_holds_nothing(tmp_path: Path) -> None:
    assert await Peers(str(tmp_path), 0, 3).holder(THERE, "alice") is None
