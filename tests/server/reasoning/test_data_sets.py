"""Rows in the shapes that the hub has become examples; a row that cannot be one says why."""

from collections.abc import Mapping
from typing import Any

import pytest

from server.reasoning.data_sets import Rejected, examples_of
from server.reasoning.records import TrainingExample

Q, T, A = "What is 1 + 1?", "One and one.", "Two."
USER = {"role": "user", "content": Q}
MARKED = f"<think>\n{T}\n</think>\n\n{A}"


def found(row: Mapping[str, Any]) -> list[TrainingExample | Rejected]:
    return list(examples_of(row, "x.jsonl:3", "x-3"))


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [USER, {"role": "assistant", "content": MARKED}]},
        {"messages": [USER | {"thinking": None}, {"role": "assistant", "content": A, "thinking": T}]},
        {"messages": [USER, {"role": "assistant", "content": A, "reasoning_content": T, "reasoning": None}]},
        {"conversations": [{"from": "human", "value": Q}, {"from": "gpt", "value": MARKED}]},
        {"prompt": [USER], "completion": [{"role": "assistant", "content": MARKED}]},
        {"prompt": Q, "completion": MARKED},
        {"question": Q, "reasoning": T, "answer": A},
        {"question": Q, "thinking_trajectories": [T], "attempt": A, "solution": "2"},
        {
            **{"question": Q, "solution": "2", "gemini_thinking_trajectory": "no", "gemini_attempt": "no"},
            **{"deepseek_thinking_trajectory": T, "deepseek_attempt": A},
        },
        {
            "problem": Q,
            "generations": ["<think>no</think>Three.", "<think>cut", MARKED],
            "correctness_math_verify": [False, True, True],
            "is_reasoning_complete": [True, False, True],
        },
    ],
)
def test_every_shape_gives_question_thinking_and_answer(row: dict[str, Any]) -> None:
    [one] = found(row)
    assert isinstance(one, TrainingExample)
    assert (one.problem.question, one.trace.thinking, one.trace.answer) == (Q, T, A)
    assert (one.problem.id, one.where, one.messages) == ("x-3", "x.jsonl:3", ())


@pytest.mark.parametrize(
    ("columns", "question"),
    [
        ({"instruction": "Translate.", "input": "Guten Tag"}, "Translate.\n\nGuten Tag"),
        ({"instruction": "Say hello.", "input": ""}, "Say hello."),
        ({"instruction": "Say hello.", "input": None}, "Say hello."),
        ({"instruction": "", "input": Q}, Q),
        ({"question": Q, "input": "tests.txt"}, Q),
    ],
)
def test_an_instruction_is_asked_with_its_input(columns: dict[str, Any], question: str) -> None:
    [one] = found(columns | {"output": MARKED})
    assert isinstance(one, TrainingExample)
    assert (one.problem.question, one.trace.answer) == (question, A)


def test_each_reply_with_thinking_is_an_example_behind_what_was_said_before() -> None:
    system = {"role": "system", "content": "Be brief."}
    call = {"function": {"name": "add", "arguments": {"a": 1, "b": 1}}}
    row = {
        "id": 7,
        "messages": [
            *(system, USER, {"role": "assistant", "content": MARKED}),
            *({"role": "user", "content": "Really?"}, {"role": "assistant", "content": "Yes."}),
            {"role": "user", "content": "Compute it."},
            {"role": "assistant", "content": None, "reasoning_content": "I call.", "tool_calls": [call]},
            {"role": "tool", "content": "2"},
            {"role": "assistant", "content": "It is 2.", "reasoning_content": "It says 2."},
        ],
    }
    first, calls, last = found(row)
    assert isinstance(first, TrainingExample)
    assert (first.problem.id, first.messages) == ("7#1", (system, USER))
    assert isinstance(calls, Rejected)
    assert calls.reason == "calls_a_tool"
    assert isinstance(last, TrainingExample)
    assert (last.problem.question, last.trace.answer) == ("Compute it.", "It is 2.")
    told = {"role": "assistant", "content": A, "reasoning_content": T}
    assert last.messages[2] == told  # the template decides what it shows of earlier thinking
    assert last.messages[-1] == {"role": "tool", "content": "2"}
    assert [one["role"] for one in last.messages].count("assistant") == 3


@pytest.mark.parametrize(
    ("row", "reason", "detail"),
    [
        (
            {"messages": [USER, {"role": "assistant", "content": A}]},
            "no_thinking",
            "looked for messages",
        ),
        ({"messages": [USER]}, "no_reply", "its columns are messages"),
        ({"text": "Hello."}, "no_reply", "its columns are text"),
        ({"messages": [{"role": "assistant", "content": MARKED}]}, "no_question", ""),
        ({"messages": [USER, {"role": "assistant", "content": f"<think>{T}"}]}, "no_answer", ""),
        ({"messages": "[{"}, "unreadable", "its turns are not JSON"),
        ({"messages": ["Hello."]}, "unreadable", "its turns are no list of objects"),
        ({"messages": [{"content": "Hello."}]}, "unreadable", "a turn has neither role nor from"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "image": "x"}]}, USER]},
            *("unreadable", "a part of user's content is no text, but image"),
        ),
        (
            {"messages": [USER, {"role": "assistant", "content": MARKED}], "tools": [{"name": "add"}]},
            *("has_tools", "tools"),
        ),
        ({"problem": Q, "generations": [MARKED]}, "unreadable", "1 generations without as many marks"),
        (
            {"problem": Q, "generations": [MARKED], "correctness_math_verify": [False]},
            *("no_reply", "its columns are"),
        ),
    ],
)
def test_a_row_without_an_example_says_why(row: dict[str, Any], reason: str, detail: str) -> None:
    [one] = found(row)
    assert isinstance(one, Rejected)
    assert (one.where, one.reason) == ("x.jsonl:3", reason)
    assert detail in one.detail
