"""The client tries again where that helps, says plainly where it does not, and reads both ways of
answering.
"""

import time
from typing import Any
from unittest.mock import AsyncMock

import httpx
import pytest

from evals.endpoint import (
    Endpoint,
    EndpointDownError,
    EndpointError,
    EvalReply,
    EvalRequest,
    RequestRefusedError,
)
from tests.evals.fake_endpoint import Answered, Body, FakeEndpoint, honest

ASK = EvalRequest("m", "Why?", {"max_tokens": 8}, 0.5, 0.9, 42, 100)
DROPPED = Answered({}, status=0)


def refusal(status: int, message: str = "no", **headers: str) -> Answered:
    return Answered({"error": {"message": message}}, status, headers)


async def ask(fake: FakeEndpoint, tries: int = 3, stream: bool = False, api_key: str = "") -> EvalReply:
    async with Endpoint(fake.url, api_key, 5.0, tries, stream) as endpoint:
        return await endpoint.complete(ASK)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evals.endpoint.MAX_PAUSE_S", 0.05)


async def test_a_request_says_what_was_asked_and_no_more(fake: FakeEndpoint) -> None:
    await ask(fake)
    assert fake.requests == [
        {
            "model": "m",
            "messages": [{"role": "user", "content": "Why?"}],
            "temperature": 0.5,
            "top_p": 0.9,
            "seed": 42,
            "thinking_budget": {"max_tokens": 8},
            "max_completion_tokens": 100,
        }
    ]
    assert "Authorization" not in fake.headers[0]


async def test_a_key_is_sent_as_a_bearer_token(fake: FakeEndpoint) -> None:
    await ask(fake, api_key="secret")
    assert fake.headers[0]["Authorization"] == "Bearer secret"


async def test_a_reply_is_read_with_its_counts_and_its_echo(fake: FakeEndpoint) -> None:
    reply = await ask(fake)
    assert (reply.thinking, reply.answer) == ("hm", "Final Answer: 7")
    assert (reply.thinking_tokens, reply.answer_tokens, reply.finish_reason) == (8, 6, "stop")
    assert reply.echo is not None
    assert reply.echo["end"] == "max_tokens"
    assert reply.latency_s > 0
    assert reply.first_token_s is None


async def test_an_endpoint_without_counts_gives_none_and_not_zero(fake: FakeEndpoint) -> None:
    message = {"content": "7", "reasoning": "hm"}
    fake.behave = lambda _body, _before: Answered({"choices": [{"message": message}]})
    reply = await ask(fake)
    assert (reply.thinking, reply.thinking_tokens, reply.answer_tokens, reply.echo) == (
        "hm",
        None,
        None,
        None,
    )


@pytest.mark.parametrize("status", [0, 429, 500, 503])
async def test_a_passing_fault_is_tried_again(fake: FakeEndpoint, status: int) -> None:
    fault = DROPPED if status == 0 else refusal(status)
    fake.behave = lambda body, before: fault if before < 2 else honest(body)
    assert (await ask(fake)).answer == "Final Answer: 7"
    assert len(fake.requests) == 3


@pytest.mark.parametrize("status", [0, 429, 503])
async def test_a_fault_that_stays_is_an_endpoint_that_is_down(fake: FakeEndpoint, status: int) -> None:
    fake.behave = lambda _body, _before: DROPPED if status == 0 else refusal(status)
    with pytest.raises(EndpointDownError, match=f"{fake.url} is down: 3 tries"):
        await ask(fake)
    assert len(fake.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 404, 422])
async def test_a_refusal_is_said_at_once_in_the_endpoints_words(fake: FakeEndpoint, status: int) -> None:
    fake.behave = lambda _body, _before: refusal(status, "thinking_budget: min above max")
    with pytest.raises(
        RequestRefusedError, match=f"refuses the request: {status} thinking_budget: min above max"
    ):
        await ask(fake)
    assert len(fake.requests) == 1


async def test_the_pause_that_an_endpoint_asks_for_is_kept(
    fake: FakeEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evals.endpoint.MAX_PAUSE_S", 5.0)
    monkeypatch.setattr("evals.endpoint.Random.uniform", lambda *_: 0.0)
    fake.behave = lambda body, before: refusal(429, **{"Retry-After": "1"}) if before == 0 else honest(body)
    start = time.monotonic()
    await ask(fake)
    assert time.monotonic() - start > 0.95


STRANGE: list[Body] = [
    {},
    {"choices": []},
    {"choices": [{}]},
    {"choices": [{"message": None}]},
    {"choices": [{"message": {"content": [{"type": "text", "text": "7"}]}}]},
    {"choices": [{"message": {"content": "7"}}], "usage": "much"},
]


@pytest.mark.parametrize("body", STRANGE)
async def test_an_answer_that_is_not_openais_is_named(fake: FakeEndpoint, body: Body) -> None:
    fake.behave = lambda _body, _before: Answered(body)
    with pytest.raises(EndpointError, match="does not answer as OpenAI does"):
        await ask(fake)


def chunks(finish: str | None = "stop") -> list[Body]:
    def chunk(delta: dict[str, Any], **more: Any) -> Body:
        return {"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": None} | more]}

    echo = honest(ASK.body()).body["choices"][0]["thinking"]
    details = {"reasoning_tokens": 8}
    return [
        chunk({"role": "assistant", "content": ""}),
        chunk({"reasoning_content": "h", "reasoning": "h"}),
        chunk({"reasoning_content": "m", "reasoning": "m"}),
        chunk({"content": "Final "}),
        chunk({"content": "Answer: 7"}, finish_reason=finish, thinking=echo),
        {"choices": [], "usage": {"completion_tokens": 14, "completion_tokens_details": details}},
    ]


async def test_a_stream_is_put_together_to_the_same_reply(fake: FakeEndpoint) -> None:
    whole = await ask(fake)
    fake.behave = lambda _body, _before: Answered({}, stream=chunks())
    reply = await ask(fake, stream=True)
    assert fake.requests[-1]["stream_options"] == {"include_usage": True}
    for field in ("thinking", "answer", "thinking_tokens", "answer_tokens", "finish_reason", "echo"):
        assert getattr(reply, field) == getattr(whole, field), field
    assert reply.first_token_s is not None
    assert reply.first_answer_token_s is not None
    assert 0 < reply.first_token_s <= reply.first_answer_token_s <= reply.latency_s


async def test_a_stream_that_breaks_off_is_tried_again(fake: FakeEndpoint) -> None:
    fake.behave = lambda _body, before: Answered({}, stream=chunks(finish=None if before == 0 else "stop"))
    assert (await ask(fake, stream=True)).answer == "Final Answer: 7"
    assert len(fake.requests) == 2


async def test_the_line_breaks_of_unicode_end_no_event(fake: FakeEndpoint) -> None:
    text = "a\u2028b\u2029c\u0085d\x1ce"
    answer = {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}
    fake.behave = lambda _body, _before: Answered({}, stream=[answer, *chunks()])
    assert (await ask(fake, stream=True)).answer == f"{text}Final Answer: 7"


def failing(error: object) -> Answered:
    return Answered({}, stream=[*chunks(finish=None), {"error": error}])


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ({"message": "out of blocks", "code": 500}, "the last: 500 out of blocks"),
        ({"message": "out of blocks", "code": None}, "the last: in the stream: out of blocks"),
        ("out of blocks", "the last: in the stream: .*out of blocks"),
    ],
)
async def test_an_error_in_a_stream_is_tried_again_and_told_in_the_servers_words(
    fake: FakeEndpoint, error: object, said: str
) -> None:
    fake.behave = lambda _body, _before: failing(error)
    with pytest.raises(EndpointDownError, match=said):
        await ask(fake, stream=True)
    assert len(fake.requests) == 3
    fake.behave = lambda _body, before: failing(error) if before == 3 else Answered({}, stream=chunks())
    assert (await ask(fake, stream=True)).answer == "Final Answer: 7"


async def test_a_refusal_in_a_stream_is_said_at_once(fake: FakeEndpoint) -> None:
    fake.behave = lambda _body, _before: failing({"message": "too long", "code": 400})
    with pytest.raises(RequestRefusedError, match="refuses the request: 400 too long"):
        await ask(fake, stream=True)
    assert len(fake.requests) == 1


@pytest.mark.parametrize("strange", [{"choices": None}, {"choices": [{"delta": {"content": [7]}}]}])
async def test_a_stream_that_is_not_openais_is_named(fake: FakeEndpoint, strange: Body) -> None:
    fake.behave = lambda _body, _before: Answered({}, stream=[strange, *chunks()])
    with pytest.raises(EndpointError, match=r"does not answer as OpenAI does: '.*choices"):
        await ask(fake, stream=True)


async def test_a_page_instead_of_the_models_is_named(
    fake: FakeEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = httpx.Response(200, text="<html>")
    monkeypatch.setattr(Endpoint, "_get", AsyncMock(return_value=page))
    async with Endpoint(fake.url, "", 5.0, 1, False) as endpoint:
        with pytest.raises(EndpointError, match="does not answer as OpenAI does: '<html>'"):
            await endpoint.models()


async def test_a_refused_stream_is_said_like_a_refused_request(fake: FakeEndpoint) -> None:
    fake.behave = lambda _body, _before: refusal(400, "bad budget")
    with pytest.raises(RequestRefusedError, match="400 bad budget"):
        await ask(fake, stream=True)


async def test_models_and_version_are_asked(fake: FakeEndpoint) -> None:
    async with Endpoint(fake.url, "", 5.0, 1, False) as endpoint:
        assert await endpoint.models() == [{"id": "fake", "family": "think"}]
        assert await endpoint.version() == "1.2.3"


async def test_an_endpoint_that_is_not_there_is_down() -> None:
    async with Endpoint("http://127.0.0.1:9/v1", "", 5.0, 1, False) as endpoint:
        with pytest.raises(EndpointDownError, match=r"127\.0\.0\.1:9/v1 is down"):
            await endpoint.models()
