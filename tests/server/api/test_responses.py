"""Where thinking stands in what a client gets, for each setting of --reasoning-field."""

from dataclasses import replace
from typing import Any

import pytest

from server.api.responses import Completion, ReasoningField, split_delta
from server.budget.running.report import ThinkingReport
from server.engine.client.call import Call
from server.reasoning.families import FAMILIES

REPORT = ThinkingReport(7, 10, 0, 2, 1, 3, "natural")


def completion(field: str) -> Completion:
    """Of a call whose only choice has ended."""
    return Completion(Call(reports={0: REPORT}), ReasoningField(field, FAMILIES["think"]))


def body() -> dict[str, Any]:
    """As vLLM writes it."""
    return {
        "choices": [
            {"index": 0, "message": {"content": "17", "reasoning": "Try 17."}, "finish_reason": "stop"}
        ],
        "usage": {"completion_tokens": 12},
    }


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("both", {"content": "17", "reasoning": "Try 17.", "reasoning_content": "Try 17."}),
        ("reasoning", {"content": "17", "reasoning": "Try 17."}),
        ("reasoning_content", {"content": "17", "reasoning_content": "Try 17."}),
        ("inline", {"content": "<think>Try 17.</think>17"}),
    ],
)
def test_thinking_stands_where_it_was_asked_for(field: str, expected: dict[str, str]) -> None:
    assert completion(field).whole(body())["choices"][0]["message"] == expected


def test_report_and_exact_usage_are_added() -> None:
    done = completion("both").whole(body())
    assert done["choices"][0]["thinking"]["waits_used"] == 1
    assert done["usage"]["completion_tokens_details"] == {"reasoning_tokens": 7}


def test_missing_content_is_an_empty_answer_unless_a_tool_is_called() -> None:
    empty: dict[str, Any] = {"choices": [{"index": 0, "message": {"content": None}}]}
    called: dict[str, Any] = {"choices": [{"index": 0, "message": {"content": None, "tool_calls": [{}]}}]}
    assert completion("both").whole(empty)["choices"][0]["message"]["content"] == ""
    assert completion("both").whole(called)["choices"][0]["message"]["content"] is None


def test_inline_stream_reads_like_the_inline_message() -> None:
    stream = completion("inline")
    deltas: list[dict[str, Any]] = [
        {"role": "assistant", "content": ""},
        {"reasoning": "Try"},
        {"reasoning": " 17."},
        {"content": "1"},
        {"content": "7"},
    ]
    events: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
    ]
    events[-1]["choices"][0]["finish_reason"] = "stop"
    text = "".join(stream.event(event)["choices"][0]["delta"].get("content") or "" for event in events)
    assert text == "<think>Try 17.</think>17"


def test_detailed_stream_keeps_thinking_in_a_field_of_its_own_where_its_spans_count() -> None:
    call = Call(detail=True, progress={0: replace(REPORT, forced_spans=(), end=None)})
    stream = Completion(call, ReasoningField("inline", FAMILIES["think"]))
    [choice] = stream.event({"choices": [{"index": 0, "delta": {"reasoning": "Try"}}]})["choices"]
    assert (choice["delta"]["reasoning"], choice["delta"].get("content")) == ("Try", None)
    assert (choice["thinking"]["end"], choice["thinking"]["forced_spans"]) == (None, ())


def test_inline_stream_closes_thinking_that_never_answered() -> None:
    stream = completion("inline")
    events: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": {"reasoning": "Try"}, "finish_reason": None}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]},
    ]
    text = "".join(stream.event(event)["choices"][0]["delta"].get("content") or "" for event in events)
    assert text == "<think>Try</think>"


@pytest.mark.parametrize("answer", [{"content": "17"}, {"tool_calls": [{"index": 0}]}])
def test_thinking_and_answer_of_one_delta_are_two_events(answer: dict[str, Any]) -> None:
    """Clients that read `reasoning_content`, or else `content`, would lose the answer's beginning."""
    choice = {"index": 1, "delta": {"reasoning": "So 17.", **answer}, "finish_reason": "stop"}
    event = {"id": "x", "choices": [choice], "usage": {"completion_tokens": 9}}
    first, second = split_delta(event)
    assert first == {
        "id": "x",
        "choices": [{"index": 1, "delta": {"reasoning": "So 17."}, "finish_reason": None}],
    }
    assert second == {
        "id": "x",
        "choices": [{"index": 1, "delta": answer, "finish_reason": "stop"}],
        "usage": {"completion_tokens": 9},
    }


@pytest.mark.parametrize(
    "event",
    [
        {"choices": [{"index": 0, "delta": {"reasoning": "So 17."}}]},
        {"choices": [{"index": 0, "delta": {"content": "17"}}]},
        {"choices": [{"index": 0, "text": "17"}]},
        {"choices": [], "usage": {}},
        {"type": "message_delta", "delta": {}},
    ],
    ids=str,
)
def test_every_other_event_stays_one(event: dict[str, Any]) -> None:
    assert split_delta(event) == [event]


def test_anthropics_usage_counts_the_thinking() -> None:
    usage = {"output_tokens": 12}
    whole = completion("both").whole({"type": "message", "usage": dict(usage)})
    last = completion("both").event({"type": "message_delta", "delta": {}, "usage": dict(usage)})
    assert whole["usage"] == last["usage"] == {**usage, "output_tokens_details": {"thinking_tokens": 7}}


def test_errors_and_other_bodies_pass_unchanged() -> None:
    assert completion("both").whole({"error": {"code": 400}}) == {"error": {"code": 400}}
    assert completion("both").event({"type": "ping"}) == {"type": "ping"}
