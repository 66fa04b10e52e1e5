"""Faults that came in public reports and by trial, each as a kind, on every endpoint of the real server."""

import json
from typing import Any

import httpx
import pytest

from tests.server.api.every_endpoint import (
    CHAT,
    COMPLETIONS,
    COUNT,
    ENDPOINTS,
    MESSAGES,
    RESPONSES,
    STREAMED,
    USER,
    asked,
    events,
    param_of,
)

# -- what is refused -------------------------------------------------------------------------------------


@ENDPOINTS
@STREAMED
@pytest.mark.parametrize(
    "budget",
    [
        {"answer_reserve_tokens": 900},
        {"max_tokens": 8, "end_message": "a b " * 900},
        {"max_tokens": 8, "end_message": "</think>"},
        {"max_tokens": 8, "end_message": "so <|im_end|>"},
        {"max_tokens": 8, "end_message": "<think>"},
        {"max_tokens": 8, "end_message": "<tool_call>{"},
    ],
    ids=["reserve", "long cue", "end", "end of turn", "start", "tool call"],
)
def test_budget_that_cannot_be_kept_is_the_same_400_everywhere(
    client: httpx.Client, path: str, stream: bool, budget: dict[str, Any]
) -> None:
    response = client.post(path, json=asked(path, thinking_budget=budget, stream=stream))
    assert response.status_code == 400, response.text
    assert response.headers["content-type"] == "application/json"
    assert next(field for field in ("answer_reserve_tokens", "end_message") if field in budget) in param_of(
        response
    )
    kind = response.json()["error"]["type"]
    assert kind == ("invalid_request_error" if path == MESSAGES else "BadRequestError")


WRONG: list[dict[str, Any]] = [
    {"structured_outputs": 1},
    {"structured_outputs": {"regex": "("}},
    {"top_k": 2**70},
    {"stop_token_ids": [2**70]},
    {"stop_token_ids": [-(2**70)]},
    {"logit_bias": {"1": 2**80}},
    {"max_tokens": 2**64},
    {"thinking_budget": 2**64},
    {"thinking_budget": 1.5},
    {"reasoning": {"mode": "pro"}},
    {"reasoning": {"context": "all_turns"}},
    {"output_config": {"task_budget": {"type": "tokens", "total": 20000}}},
    {"output_config": {"task_budget": {"type": "tokens", "total": -1}}},
    {"sampling_params": {"thinking_token_budget": 4}},
    {"n": 16384},
]


@ENDPOINTS
@STREAMED
@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: json.dumps(wrong)[:40])
def test_no_wrong_field_is_a_5xx_or_tears_a_stream(
    client: httpx.Client, path: str, stream: bool, wrong: dict[str, Any]
) -> None:
    response = client.post(path, json=asked(path, stream=stream, **wrong))
    assert response.status_code in (200, 400), response.text  # a 200: of a field that this endpoint has not
    if response.status_code == 400:
        assert response.json()["error"]["message"]


@ENDPOINTS
@pytest.mark.parametrize(
    "wrong",
    [
        {"thinking_budget": 1.5},
        {"reasoning": {"mode": "pro"}},
        {"output_config": {"task_budget": 9}},
        {"top_k": 2**70},
        {"n": 16384},
    ],
    ids=lambda wrong: json.dumps(wrong)[:40],
)
def test_error_names_the_field(client: httpx.Client, path: str, wrong: dict[str, Any]) -> None:
    response = client.post(path, json=asked(path, **wrong))
    assert response.status_code == 400
    (field,) = wrong
    assert field in param_of(response)


def test_batch_of_prompts_has_a_limit(client: httpx.Client) -> None:
    for more in ({"prompt": ["a"] * 300}, {"prompt": [[1]] * 300}, {"prompt": ["a"] * 100, "n": 3}):
        response = client.post(COMPLETIONS, json=asked(COMPLETIONS, **more))
        assert response.status_code == 400
        assert "--max-choices" in response.json()["error"]["message"]
    batch = {"model": "s1-nano", "messages": [[USER]] * 300}
    assert client.post(f"{CHAT}/batch", json=batch).status_code == 400


@ENDPOINTS
def test_bodies_that_would_hold_every_stream_are_refused(client: httpx.Client, path: str) -> None:
    many: dict[str, Any] = {f"key{i}": 1 for i in range(80_000)}
    assert client.post(path, json=asked(path, **many)).status_code == 400
    reasons: dict[str, Any] = {f"reason{i}": 1 for i in range(5_000)}
    assert client.post(path, json=asked(path, **reasons)).status_code == 400
    deep = b"[" * 500_000
    assert client.post(path, content=deep, headers={"content-type": "application/json"}).status_code == 400
    assert client.post(path, json=asked(path, x="y" * 5_000_000)).status_code == 413
    assert client.post(path, json=asked(path)).status_code == 200


# -- what is honoured ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "budget",
    [
        {"thinking_budget": 8.0},
        {"extra_args": {"thinking_token_budget": 8}},
        {"options": {"think_budget": 8}},
    ],
    ids=str,
)
@ENDPOINTS
def test_budget_of_other_clients_is_kept(client: httpx.Client, path: str, budget: dict[str, Any]) -> None:
    body = client.post(path, json=asked(path, **budget)).json()
    assert (body["choices"][0] if "choices" in body else body)["thinking"]["max_tokens"] == 8


def test_tokens_are_counted_of_every_request_that_is_answered(client: httpx.Client) -> None:
    thinking = {"type": "enabled", "budget_tokens": 64}
    counted = client.post(COUNT, json={"model": "s1-nano", "messages": [USER], "thinking": thinking})
    answered = client.post(MESSAGES, json=asked(MESSAGES, thinking=thinking))
    assert counted.status_code == answered.status_code == 200, counted.text
    assert counted.json()["input_tokens"] == answered.json()["usage"]["input_tokens"]
    wrong = client.post(COUNT, json={"model": "s1-nano", "messages": [USER], "thinking_budget": -7})
    assert wrong.status_code == 400


@pytest.mark.parametrize(
    "hidden", [{"thinking": {"type": "adaptive", "display": "omitted"}}, {"include_reasoning": False}]
)
@STREAMED
def test_thinking_that_is_not_to_be_shown_is_not(
    client: httpx.Client, hidden: dict[str, Any], stream: bool
) -> None:
    shown = client.post(MESSAGES, json=asked(MESSAGES, thinking_budget=20)).json()
    thought = shown["content"][0]["thinking"]
    assert thought
    response = client.post(MESSAGES, json=asked(MESSAGES, thinking_budget=20, stream=stream, **hidden))
    assert response.status_code == 200
    if not stream:
        block, answer = response.json()["content"]
        assert (block["type"], block["thinking"], bool(block["signature"])) == ("thinking", "", True)
        assert answer == shown["content"][1]
        return
    got = events(response)
    kinds = [event["delta"]["type"] for event in got if event["type"] == "content_block_delta"]
    assert "signature_delta" in kinds
    assert "thinking_delta" not in kinds
    text = "".join(event["delta"].get("text", "") for event in got if event["type"] == "content_block_delta")
    assert text == shown["content"][1]["text"]


HISTORIES: list[list[dict[str, Any]]] = [
    [{"type": "message", "role": "assistant", "content": []}],
    [{"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}],
    [{"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}],
    [
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "2: no"}],
            "encrypted_content": "gAAA",
        },
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "1"},
    ],
    [{"role": "assistant", "content": "17"}],
]


@pytest.mark.parametrize("history", HISTORIES, ids=range(len(HISTORIES)))
@STREAMED
def test_conversation_that_openai_allows_is_answered(
    client: httpx.Client, history: list[dict[str, Any]], stream: bool
) -> None:
    items = [{"type": "message", **USER}, *history, {"type": "message", "role": "user", "content": "Again."}]
    response = client.post(RESPONSES, json=asked(RESPONSES, input=items, stream=stream))
    assert response.status_code == 200, response.text
