"""An answer, a thought and a tool call that the prompt has begun or `max_tokens` cuts, on the real server."""

from typing import Any

import httpx
import pytest

from tests.server.api.every_endpoint import (
    CHAT,
    COMPLETIONS,
    QUESTION,
    RESPONSES,
    STREAMED,
    USER,
    asked,
    events,
)


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
