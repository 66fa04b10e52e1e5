"""Thinking and answer come apart, whichever way a server or a model writes them."""

from typing import Any

import pytest

from curation.ask.split import reply_from
from server.reasoning.split import split_thinking


def body(message: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"choices": [{"message": message, "finish_reason": "stop", **more}]}


@pytest.mark.parametrize(
    "message",
    [
        {"content": "Two.", "reasoning_content": "Hm."},
        {"content": "Two.", "reasoning": "Hm."},
        {"content": "<think>\nHm.\n</think>\n\nTwo."},
        {"content": "Hm.\n</think>\n\nTwo."},
        {"content": "<|begin_of_thought|>Hm.<|end_of_thought|><|begin_of_solution|>Two.<|end_of_solution|>"},
        {"content": "<|im_start|>think\nHm.\n<|im_start|>answer\nTwo.<|im_end|>"},
    ],
)
def test_thinking_and_answer_are_read(message: dict[str, Any]) -> None:
    reply = reply_from(body(message))
    assert (reply.thinking, reply.answer) == ("Hm.", "Two.")


def test_without_marks_everything_is_answer() -> None:
    assert split_thinking("Two.") == ("", "Two.")


def test_thinking_that_is_never_closed_has_no_answer() -> None:
    assert split_thinking("<think>\nHm, so") == ("Hm, so", "")


@pytest.mark.parametrize(
    ("text", "split"),
    [
        (
            "<think>Sum.</think><reasoning>2+2</reasoning><answer>4</answer>",
            "<reasoning>2+2</reasoning><answer>4</answer>",
        ),
        ("<think>He says 'Here is my response:'. Sum.</think>4", "4"),
        ("<think>Not </thought>. Sum.</think>4", "4"),
        ("He quotes <reasoning>. Sum.</think>4", "4"),
        ("Sum.</think>Marked by <think>.", "Marked by <think>."),
        ("\nHere's my thought process: Sum. Here's my response: 4", "4"),
    ],
)
def test_marks_of_other_families_and_quoted_ones_are_text(text: str, split: str) -> None:
    thinking, answer = split_thinking(text)
    assert answer == split
    assert thinking.endswith("Sum.")


def test_thinking_tokens_come_from_the_servers_report_or_its_usage() -> None:
    message = {"content": "Two.", "reasoning_content": "Hm."}
    assert reply_from(body(message, thinking={"tokens": 7})).thinking_tokens == 7
    usage = {"completion_tokens_details": {"reasoning_tokens": 5}}
    assert reply_from(body(message) | {"usage": usage}).thinking_tokens == 5
    assert reply_from(body(message)).thinking_tokens is None


def test_content_of_none_is_an_empty_answer() -> None:
    assert reply_from(body({"content": None, "reasoning": "Hm."})).answer == ""


@pytest.mark.parametrize(
    "wrong", [{}, {"choices": []}, {"choices": [{}]}, [], "x", {"choices": [{"message": {"content": 7}}]}]
)
def test_another_shape_raises_one_of_the_errors_that_the_endpoint_expects(wrong: Any) -> None:
    with pytest.raises((KeyError, IndexError, TypeError)):
        reply_from(wrong)
