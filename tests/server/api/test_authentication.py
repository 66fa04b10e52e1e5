"""Which paths need a key, as --open-endpoints says."""

from collections.abc import Sequence

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from server.api.authentication import KeyMiddleware, key_of
from server.keys.key import Key, digest_of

PATHS = ("/", "/page/page.js", "/health", "/ping", "/metrics", "/v1/models", "/pages", "/healthy")
ALWAYS = {"/", "/page/page.js"}


def client(open_endpoints: Sequence[str]) -> httpx.AsyncClient:
    """Of an application that says whose key it was."""

    async def name(request: Request) -> PlainTextResponse:
        key = key_of(request.scope)
        return PlainTextResponse(key.name if key else "nobody")

    app = Starlette(routes=[Route(path, name, methods=["GET", "OPTIONS"]) for path in PATHS])
    guarded = KeyMiddleware(app, [Key("alice", digest_of("sk-a"))], open_endpoints)
    return httpx.AsyncClient(transport=httpx.ASGITransport(guarded), base_url="http://test")


@pytest.mark.parametrize(
    ("open_endpoints", "expected"),
    [
        (("health", "metrics"), {"/health", "/ping", "/metrics"}),
        (("health",), {"/health", "/ping"}),
        (("metrics",), {"/metrics"}),
        ((), set()),
    ],
)
async def test_open_endpoints_need_no_key_and_all_others_do(
    open_endpoints: Sequence[str], expected: set[str]
) -> None:
    async with client(open_endpoints) as ask:
        answers = {path: (await ask.get(path)).status_code for path in PATHS}
        assert {path for path, status in answers.items() if status == 200} == expected | ALWAYS
        assert {status for status in answers.values() if status != 200} == {401}
        assert (await ask.get("/metrics", headers={"x-api-key": "sk-a"})).text == "alice"
        assert (await ask.options("/v1/models")).status_code == 200  # a browser's preflight has no key
