"""Faults that came in public reports and by trial, each as a kind, on every endpoint of the real server."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from server.api.routes import CLOSED, GOVERNED, PASSED

QUESTION = "Find the smallest prime factor of 391."
USER = {"role": "user", "content": QUESTION}
CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
RESPONSES, MESSAGES, COUNT = "/v1/responses", "/v1/messages", "/v1/messages/count_tokens"
ASKED: dict[str, dict[str, Any]] = {
    CHAT: {"messages": [USER], "max_tokens": 60},
    COMPLETIONS: {"prompt": QUESTION, "max_tokens": 60},
    RESPONSES: {"input": QUESTION, "max_output_tokens": 60},
    MESSAGES: {"messages": [USER], "max_tokens": 60},
}
ENDPOINTS = pytest.mark.parametrize("path", ASKED)
STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


@pytest.fixture(scope="module")
def client(server_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server_url, timeout=120) as http:
        yield http


def asked(path: str, **more: Any) -> dict[str, Any]:
    return {"model": "s1-nano", "temperature": 0, **ASKED[path], **more}


def events(response: httpx.Response) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def param_of(response: httpx.Response) -> str:
    """The field at fault: Anthropic's envelope has it in its message only."""
    error = response.json()["error"]
    return str(error.get("param") or error["message"])


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


@STREAMED
def test_response_that_was_not_kept_says_what_to_switch_on(client: httpx.Client, stream: bool) -> None:
    body = asked(RESPONSES, previous_response_id="resp_123", stream=stream)
    response = client.post(RESPONSES, json=body)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "previous_response_id"
    assert "VLLM_ENABLE_RESPONSES_API_STORE" in response.json()["error"]["message"]


# -- what reaches the answer -----------------------------------------------------------------------------


def continued(message: dict[str, Any], **more: Any) -> dict[str, Any]:
    return asked(
        CHAT,
        messages=[USER, {"role": "assistant", **message}],
        continue_final_message=True,
        add_generation_prompt=False,
        **more,
    )


@pytest.mark.parametrize(
    "message",
    [
        {"content": "391:"},
        {"content": "<think>\n2: no\n</think>\n\n391:"},
        {
            "content": None,
            "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
    ],
    ids=["text", "closed", "call"],
)
def test_answer_that_goes_on_has_no_mark_and_no_thinking(
    client: httpx.Client, message: dict[str, Any]
) -> None:
    response = client.post(CHAT, json=continued(message, thinking_budget=20))
    assert response.status_code == 200
    (choice,) = response.json()["choices"]
    assert choice["thinking"]["tokens"] == 0
    assert "think>" not in choice["message"]["content"]
    for budget in ({"num_waits": 2}, {"min_tokens": 30}):
        refused = client.post(CHAT, json=continued(message, thinking_budget=budget))
        assert refused.status_code == 400
        assert next(iter(budget)) in refused.json()["error"]["param"]


def test_waits_behind_thinking_that_the_prompt_has_closed_are_refused(client: httpx.Client) -> None:
    prompt = f"<|im_start|>user\n{QUESTION}<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
    refused = client.post(
        COMPLETIONS, json=asked(COMPLETIONS, prompt=prompt, thinking_budget={"num_waits": 2})
    )
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "thinking_budget.num_waits"


@STREAMED
@pytest.mark.parametrize("tokens", [1, 2, 3, 5])
def test_truncated_prompt_lets_no_mark_into_the_answer(
    client: httpx.Client, stream: bool, tokens: int
) -> None:
    for budget in ({}, {"thinking_budget": 20}):
        body = asked(CHAT, truncate_prompt_tokens=tokens, stream=stream, **budget)
        response = client.post(CHAT, json=body)
        assert response.status_code in (200, 400)
        assert "</think>" not in response.text


THOUGHT = "2: 3>1, 19>1, 11>1 no\n"
"""How s1-nano begins on the question, up to the end of a line."""


@pytest.fixture(scope="module")
def rest(client: httpx.Client) -> str:
    """What s1-nano thinks next, uncut."""
    body = client.post(CHAT, json=asked(CHAT, thinking_budget=60, max_tokens=200)).json()
    thinking: str = body["choices"][0]["message"]["reasoning"]
    assert thinking.startswith(THOUGHT)
    return thinking.removeprefix(THOUGHT)


@pytest.mark.parametrize(
    "message",
    [
        {"content": f"<think>\n{THOUGHT}"},
        {"content": "", "reasoning_content": THOUGHT},
        {"content": None, "reasoning": THOUGHT},
        {"content": [{"type": "text", "text": f"<think>\n{THOUGHT}"}]},
    ],
    ids=["text", "reasoning_content", "reasoning", "parts"],
)
@STREAMED
def test_cut_thought_goes_on_as_thinking_and_under_the_budget(
    client: httpx.Client, message: dict[str, Any], stream: bool, rest: str
) -> None:
    response = client.post(CHAT, json=continued(message, thinking_budget=10, stream=stream))
    assert response.status_code == 200, response.text
    choices = (
        [each for event in events(response) for each in event["choices"]]
        if stream
        else response.json()["choices"]
    )
    said = [choice["delta" if stream else "message"] for choice in choices]
    thinking = "".join(each.get("reasoning") or "" for each in said)
    content = "".join(each.get("content") or "" for each in said)
    assert thinking  # the model's own next words, as if there had been no cut, and no mark
    assert rest.startswith(thinking)
    assert "think>" not in content
    assert "Final Answer:" in content
    report = choices[-1]["thinking"]
    assert (report["tokens"], report["end"]) == (10, "max_tokens")


def test_cut_thought_of_responses_goes_on(client: httpx.Client, rest: str) -> None:
    cut = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [],
        "content": [{"type": "reasoning_text", "text": THOUGHT}],
        "status": "incomplete",
    }
    items = [{"type": "message", **USER}, cut]
    response = client.post(RESPONSES, json=asked(RESPONSES, input=items, thinking_budget=10))
    assert response.status_code == 200, response.text
    reasoning, answer = response.json()["output"]
    assert rest.startswith(reasoning["content"][0]["text"])
    assert "Final Answer:" in answer["content"][0]["text"]


TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "factor",
            "description": "Factor a number",
            "parameters": {
                "type": "object",
                "properties": {"n": {"type": "integer"}, "text": {"type": "string"}},
                "required": ["n", "text"],
            },
        },
    }
]


@pytest.mark.parametrize("max_tokens", [8, 14, 20, 30, 45])
@pytest.mark.parametrize(
    "choice", ["required", {"type": "function", "function": {"name": "factor"}}], ids=str
)
def test_tool_call_that_is_cut_is_the_same_whole_and_streamed(
    client: httpx.Client, max_tokens: int, choice: Any
) -> None:
    body = asked(CHAT, tools=TOOLS, tool_choice=choice, thinking_budget=4, max_tokens=max_tokens)
    whole = client.post(CHAT, json=body).json()["choices"][0]
    chunks = [each["choices"][0] for each in events(client.post(CHAT, json={**body, "stream": True}))]
    calls = [call for chunk in chunks for call in chunk["delta"].get("tool_calls") or ()]
    arguments = "".join(call["function"].get("arguments") or "" for call in calls)
    name = "".join(call["function"].get("name") or "" for call in calls)
    content = "".join(chunk["delta"].get("content") or "" for chunk in chunks)
    assert (whole["message"]["content"] or "") == content
    assert "<to" not in content
    (call,) = whole["message"].get("tool_calls") or [{"function": {"name": "", "arguments": ""}}]
    assert (call["function"]["name"], call["function"]["arguments"]) == (name, arguments)
    assert whole["finish_reason"] == chunks[-1]["finish_reason"]


# -- what routes there are -------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/systemone", "/scale_elastic_ep", "/is_scaling_elastic_ep"])
def test_closed_route_is_not_there(client: httpx.Client, path: str) -> None:
    assert client.post(path, json={}).status_code == 404


def test_every_route_has_a_decision(client: httpx.Client) -> None:
    paths = set(client.get("/openapi.json").json()["paths"])
    assert paths <= GOVERNED | PASSED
    assert not paths & CLOSED
