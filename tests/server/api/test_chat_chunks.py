"""A chunk is what vLLM's chunk becomes with report and field names, through however few objects."""

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vllm.entrypoints.generate.base.protocol import DeltaFunctionCall, DeltaMessage, DeltaToolCall
from vllm.entrypoints.openai.chat_completion.protocol import (
    ChatCompletionLogProbs,
    ChatCompletionResponseStreamChoice,
    ChatCompletionStreamResponse,
)
from vllm.entrypoints.openai.chat_completion.serving import OpenAIServingChat
from vllm.entrypoints.serve.engine.protocol import UsageInfo
from vllm.entrypoints.serve.utils.tool_calls_utils import maybe_filter_parallel_tool_calls

from server.api import chat_chunks
from server.api.chat_chunks import COMPLETION, Chunk, ChunkChoice, stream_generator, write_chunks_once
from server.api.responses import Completion, ReasoningField, dump, split_delta
from server.budget.running.forced_spans import Span
from server.budget.running.report import ThinkingReport
from server.engine.client.call import Call
from server.engine.seams import SeamError
from server.reasoning.families import FAMILIES

REPORT = ThinkingReport(7, 10, 0, 2, 1, 3, None, (Span("nudge", "thinking", 3, 7),))
HEAD: dict[str, Any] = {"id": 'chatcmpl-"1"', "object": "chat.completion.chunk", "created": 17, "model": "ü"}
CALLS = [
    DeltaToolCall(index=at, id=f"c{at}", type="function", function=DeltaFunctionCall(name="f", arguments="{"))
    for at in range(2)
]

TEXTS = st.one_of(st.none(), st.text(st.sampled_from('ab"\\/\n\t\x00\x7f\u2028é😀'), max_size=8))
DELTAS = st.fixed_dictionaries(
    {},
    optional={
        "role": st.just("assistant"),
        "content": TEXTS,
        "reasoning": TEXTS,
        "tool_calls": st.just(CALLS),
    },
)
CHOICES = st.fixed_dictionaries(
    {
        "index": st.integers(0, 2),
        "delta": DELTAS,
        "logprobs": st.sampled_from([None, ChatCompletionLogProbs(content=[])]),
        "finish_reason": st.sampled_from([None, "stop"]),
        "token_ids": st.sampled_from([None, [1, 2]]),
    },
    optional={"stop_reason": st.sampled_from([None, "x"])},
)
ADDED = st.fixed_dictionaries(
    {}, optional={"usage": st.just(UsageInfo(completion_tokens=3)), "system_fingerprint": st.just("f")}
)
FIELDS = st.sampled_from(["both", "reasoning", "reasoning_content", "inline"])


def completion(field: str, *, detail: bool) -> Completion:
    """Of a call of which choice 0 has a report so far, and choice 1 one of its end."""
    call = Call(detail=detail, reports={1: replace(REPORT, end="natural")})
    if detail:
        call.progress[0] = REPORT
    return Completion(call, ReasoningField(field, FAMILIES["think"]))


def written(chunk: Chunk, completion: Completion | None) -> str:
    """As vLLM's generator asks for it."""
    token = COMPLETION.set(completion)
    try:
        return chunk.model_dump_json(exclude_unset=True)
    finally:
        COMPLETION.reset(token)


def vllms(choices: list[dict[str, Any]], added: dict[str, Any]) -> str:
    """vLLM's own chunk."""
    made = [
        ChatCompletionResponseStreamChoice(**{**each, "delta": DeltaMessage(**each["delta"])})
        for each in choices
    ]
    chunk = ChatCompletionStreamResponse(**HEAD, choices=made)
    for name, value in added.items():
        setattr(chunk, name, value)
    return str(chunk.model_dump_json(exclude_unset=True))


def ours(choices: list[dict[str, Any]], added: dict[str, Any]) -> Chunk:
    """Made as vLLM makes its own."""
    made = [ChunkChoice(**{**each, "delta": DeltaMessage(**each["delta"])}) for each in choices]
    chunk = Chunk(**HEAD, choices=made)
    for name, value in added.items():
        setattr(chunk, name, value)
    return chunk


@given(st.lists(CHOICES, max_size=2), ADDED, FIELDS, st.booleans())
def test_chunk_is_vllms_completed(
    choices: list[dict[str, Any]], added: dict[str, Any], field: str, detail: bool
) -> None:
    reference = completion(field, detail=detail)
    parts = [reference.event(part) for part in split_delta(json.loads(vllms(choices, added)))]
    expected = "\n\ndata: ".join(dump(part).decode() for part in parts)
    assert written(ours(choices, added), completion(field, detail=detail)) == expected


@given(DELTAS, FIELDS, st.booleans())
def test_chunk_of_text_is_vllms_completed(delta: dict[str, Any], field: str, detail: bool) -> None:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None, "token_ids": None}
    test_chunk_is_vllms_completed.hypothesis.inner_test([choice], {}, field, detail)  # type: ignore[attr-defined]


def test_chunk_of_text_takes_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_chunks, "ChatCompletionStreamResponse", None)
    choice = {"index": 0, "logprobs": None, "finish_reason": None, "token_ids": None}
    for delta in ({"content": None, "reasoning": "a"}, {"content": "a", "reasoning": None}, {"content": "a"}):
        written(ours([{**choice, "delta": delta}], {}), completion("both", detail=True))


@given(st.lists(CHOICES, max_size=2), ADDED)
def test_chunk_of_nobodys_request_is_vllms(choices: list[dict[str, Any]], added: dict[str, Any]) -> None:
    assert written(ours(choices, added), None) == vllms(choices, added)


def test_only_the_first_call_is_left_where_a_client_wants_one_at_a_time() -> None:
    chunk = ours([{"index": 0, "delta": {"tool_calls": CALLS}, "logprobs": None, "finish_reason": None}], {})
    [choice] = chunk.fields["choices"]
    request: Any = SimpleNamespace(parallel_tool_calls=False)
    assert maybe_filter_parallel_tool_calls(choice, request) is choice
    delta = json.loads(written(chunk, None))["choices"][0]["delta"]
    assert [call["id"] for call in delta["tool_calls"]] == ["c0"]


def test_vllms_own_generator_is_left_as_it_was() -> None:
    assert stream_generator().__globals__["ChatCompletionStreamResponse"] is Chunk
    vllms = OpenAIServingChat.chat_completion_stream_generator
    assert vllms.__globals__["ChatCompletionStreamResponse"] is ChatCompletionStreamResponse


def test_release_that_builds_its_chunks_otherwise_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async def other(self: Any) -> Any:
        yield self

    monkeypatch.setattr(OpenAIServingChat, "chat_completion_stream_generator", other)
    with pytest.raises(SeamError, match="without ChatCompletionStreamResponse"):
        write_chunks_once(SimpleNamespace(openai_serving_chat=SimpleNamespace()))  # type: ignore[arg-type]
