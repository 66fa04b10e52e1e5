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


@pytest.mark.parametrize(
    "headers",
    [
        {"x-api-key": "sk-a"},
        {"authorization": "Bearer sk-a"},
        {"authorization": "Bearer", "x-api-key": "sk-a"},
        {"authorization": "Bearer ", "x-api-key": "sk-a"},
        {"authorization": "Bearer none", "x-api-key": "sk-a"},
        {"authorization": "Basic c2s6YQ==", "x-api-key": "sk-a"},
        {"authorization": "bearer sk-a", "x-api-key": ""},
        {"authorization": "Bearer sk-a", "x-api-key": "dummy"},
    ],
)
async def test_valid_key_in_either_header_counts_whatever_the_other_holds(headers: dict[str, str]) -> None:
    async with client(()) as ask:
        assert (await ask.get("/v1/models", headers=headers)).text == "alice"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer"},
        {"x-api-key": ""},
        {"authorization": "sk-a"},
        {"x-api-key": "Bearer sk-a"},
    ],
)
async def test_no_key_and_a_key_in_no_form_are_a_401(headers: dict[str, str]) -> None:
    async with client(()) as ask:
        assert (await ask.get("/v1/models", headers=headers)).status_code == 401
