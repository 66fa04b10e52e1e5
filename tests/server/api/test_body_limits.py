"""A body that would hold the event loop is refused while it arrives; every other one passes as it was."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from server.api.body_limits import BodyLimitMiddleware, JSONShape
from server.limits import RequestLimits

LIMITS = RequestLimits(max_body_bytes=2000, max_body_keys=20, max_body_values=200, max_body_depth=6)


class Echo:
    """A route that keeps what it read."""

    body: bytes | None = None

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        assert not message["more_body"]
        self.body = message["body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def ask(
    pieces: list[bytes], path: str = "/v1/chat/completions", content_type: bytes = b"application/json"
) -> tuple[int, Any, bytes | None]:
    """(status, error, the body that the route read)."""
    route, sent = Echo(), list[Message]()
    left: Iterator[tuple[int, bytes]] = iter(enumerate(pieces, start=1))

    async def receive() -> Message:
        at, piece = next(left)
        return {"type": "http.request", "body": piece, "more_body": at < len(pieces)}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "headers": [(b"content-type", content_type)]}
    asyncio.run(BodyLimitMiddleware(route, LIMITS)(scope, receive, send))
    body = sent[1]["body"]
    return sent[0]["status"], json.loads(body)["error"] if body else None, route.body


def test_body_within_the_limits_arrives_whole() -> None:
    pieces = [b'{"messages": [{"role": "user", ', b'"content": "a, b: [c] {d} \\" \\\\"}]}']
    assert ask(pieces) == (200, None, b"".join(pieces))


@pytest.mark.parametrize(
    ("body", "status", "flag"),
    [
        (b'{"a": "' + b"x" * 2000 + b'"}', 413, "--max-body-bytes"),
        (json.dumps({f"k{i}": 1 for i in range(30)}).encode(), 400, "--max-body-keys"),
        (json.dumps([{}] * 30).encode(), 400, "--max-body-keys"),
        (json.dumps({"tools": [{f"reason{i}": 1} for i in range(15)]}).encode(), 400, "--max-body-keys"),
        (json.dumps({"prompt": [1] * 300}).encode(), 400, "--max-body-values"),
        (json.dumps({"stop": [""] * 300}).encode(), 400, "--max-body-values"),
        (b"[" * 9, 400, "--max-body-depth"),
        (b'{"a":' * 9 + b"1" + b"}" * 9, 400, "--max-body-depth"),
    ],
    ids=["bytes", "keys", "objects", "nested keys", "ids", "strings", "lists deep", "objects deep"],
)
@pytest.mark.parametrize("piece_bytes", [1, 7, 64, 5000])
def test_each_limit_refuses_and_names_its_flag(body: bytes, status: int, flag: str, piece_bytes: int) -> None:
    pieces = [body[at : at + piece_bytes] for at in range(0, len(body), piece_bytes)]
    found, error, read = ask(pieces)
    assert (found, read) == (status, None)
    assert flag in error["message"]


def test_refusal_on_anthropics_endpoint_has_its_envelope() -> None:
    status, error, _ = ask([b"x" * 3000], "/v1/messages")
    assert (status, error["type"]) == (413, "request_too_large")


def test_endless_body_is_refused_before_its_end() -> None:
    pieces = [b"x" * 1000] * 100
    sent: list[Message] = []
    taken = iter(pieces)

    async def receive() -> Message:
        return {"type": "http.request", "body": next(taken), "more_body": True}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/tokenize", "headers": []}
    asyncio.run(BodyLimitMiddleware(Echo(), LIMITS)(scope, receive, send))
    assert sent[0]["status"] == 413
    assert len(list(taken)) > 80


FORM = b"multipart/form-data; boundary=x"


@pytest.mark.parametrize("content_type", [FORM, FORM.title()])
def test_forms_are_held_to_their_bytes_only(content_type: bytes) -> None:
    body = b"[" * 50
    assert ask([body], "/v1/audio/transcriptions", content_type)[0] == 200
    assert ask([body], "/v1/audio/transcriptions")[0] == 400


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/tokenize", "/v1/audiobook"])
def test_body_is_no_form_where_none_is_taken_whatever_it_says_it_is(path: str) -> None:
    assert ask([b"[" * 9], path, FORM)[::2] == (400, None)


ENCODINGS = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("piece_bytes", [1, 3, 5000])
@pytest.mark.parametrize("text", ['{"a": 1}', "{}", "1"])
def test_encoding_that_nothing_is_counted_in_is_refused(encoding: str, piece_bytes: int, text: str) -> None:
    body = text.encode(encoding)
    assert json.loads(body) == json.loads(text)
    status, error, read = ask([body[at : at + piece_bytes] for at in range(0, len(body), piece_bytes)])
    assert (status, read) == (400, None)
    assert "UTF-8" in error["message"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("text", ["", "1", "{}", '{"é": "\U0001f600"}'])
def test_utf8_passes_with_a_byte_order_mark_too(encoding: str, text: str) -> None:
    body = text.encode(encoding)
    assert ask([body[:1], body[1:]]) == (200, None, body)


JSON = st.recursive(
    st.none() | st.integers() | st.text('ab"\\:,[]{}\n\u00e9', max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text('k"\\,:', max_size=3), inner, max_size=4)
    ),
)


def shape_of(value: Any) -> tuple[int, int]:
    """(keys, objects and lists; depth) as a parser has them."""
    if isinstance(value, dict):
        inner = [shape_of(each) for each in value.values()]
        return 1 + len(value) + sum(keys for keys, _ in inner), 1 + max((d for _, d in inner), default=0)
    if isinstance(value, list):
        inner = [shape_of(each) for each in value]
        return 1 + sum(keys for keys, _ in inner), 1 + max((d for _, d in inner), default=0)
    return 0, 0


@given(JSON, st.integers(1, 9), st.booleans())
def test_shape_is_what_a_parser_finds_however_the_body_is_cut(
    value: Any, piece_bytes: int, ascii_only: bool
) -> None:
    raw, shape = json.dumps(value, ensure_ascii=ascii_only).encode(), JSONShape()
    for at in range(0, len(raw), piece_bytes):
        shape.feed(raw[at : at + piece_bytes])
    assert (shape.keys, shape.depth) == shape_of(value)
