"""A thought that was cut is taken out of the conversation in any spelling; an answer that goes on is not."""

from typing import Any

import pytest

from server.api.resumption import continues_final_message, take_thought
from server.reasoning.families import FAMILIES

THINK = FAMILIES["think"]
CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
USER = {"role": "user", "content": "Find the smallest prime factor of 391."}


def chat(message: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "messages": [USER, {"role": "assistant", **message}],
        "continue_final_message": True,
        "add_generation_prompt": False,
        **more,
    }


@pytest.mark.parametrize(
    ("message", "thought"),
    [
        ({"content": "<think>\n2: no"}, "\n2: no"),
        ({"content": "\n<think>2: no\n"}, "2: no\n"),
        ({"content": [{"type": "text", "text": "<think>\n2: no"}]}, "\n2: no"),
        ({"content": "", "reasoning_content": "2: no"}, "2: no"),
        ({"content": None, "reasoning": "2: no"}, "2: no"),
        ({"reasoning_content": "2: no\n"}, "2: no\n"),
        ({"content": [], "reasoning": "2: no", "reasoning_content": "2: no"}, "2: no"),
        ({"content": "<think>"}, ""),
    ],
)
def test_cut_thought_is_taken_out_and_a_new_turn_is_asked_for(message: dict[str, Any], thought: str) -> None:
    body = chat(message)
    assert take_thought(CHAT, body, THINK) == thought
    assert body == {"messages": [USER], "continue_final_message": False, "add_generation_prompt": True}


@pytest.mark.parametrize(
    "body",
    [
        chat({"content": "391:"}),
        chat({"content": "<think>\n2: no\n</think>\n\n391:"}),
        chat({"content": "see <think>"}),
        chat({"content": None, "tool_calls": [{"id": "a"}], "reasoning": "2: no"}),
        chat({"content": "391:", "reasoning": "2: no"}),
        chat({"content": [{"type": "image_url"}], "reasoning": "2: no"}),
        chat({"content": "<think>\n2: no"}, continue_final_message=False),
        chat({"content": "<think>\n2: no"}, echo=True),
        {"messages": [], "continue_final_message": True},
        {"messages": [{"role": "assistant", "content": "<think>2"}], "continue_final_message": True},
        {"messages": "hi", "continue_final_message": True},
    ],
)
def test_what_is_no_cut_thought_stays_in_the_conversation(body: dict[str, Any]) -> None:
    before = dict(body)
    assert take_thought(CHAT, body, THINK) is None
    assert body == before


@pytest.mark.parametrize("status", ["in_progress", "incomplete"])
def test_cut_reasoning_item_is_taken_out(status: str) -> None:
    item = {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "2: no"}], "status": status}
    body = {"input": [USER, item]}
    assert continues_final_message(RESPONSES, body)
    assert take_thought(RESPONSES, body, THINK) == "2: no"
    assert body == {"input": [USER]}


def test_message_of_responses_that_goes_on_is_an_answer() -> None:
    body = {
        "input": [USER, {"type": "message", "role": "assistant", "status": "in_progress", "content": "391:"}]
    }
    assert continues_final_message(RESPONSES, body)
    assert take_thought(RESPONSES, body, THINK) is None
    assert not continues_final_message(RESPONSES, {"input": "hi"})
    assert not continues_final_message(RESPONSES, {"input": [USER]})
