"""What a checkpoint's own `response_template` tells of its marks."""

import pytest

from server.reasoning.declared import declared_family

TOLD = {
    "version": 1,
    "start_anchor": "<|assistant|>",
    "fields": {
        "thinking": {"open": "<|reason|>", "close": ["<|answer|>", "<|stop|>"]},
        "content": {"close": "<|turn|>"},
        "tool_calls": {"open": "<|call|>", "close": "<|/call|>", "content": "json"},
    },
}


def test_marks_are_those_of_the_declared_fields() -> None:
    family = declared_family(TOLD)
    assert family is not None
    assert (family.name, family.start, family.end) == ("declared", "<|reason|>", "<|answer|>")
    assert (family.end_of_turn, family.tool_call) == (("<|turn|>",), ("<|call|>",))


@pytest.mark.parametrize(
    "told",
    [
        None,
        {},
        {"fields": []},
        {"fields": {"content": {"close": "<|turn|>"}}},
        {"fields": {"thinking": {"open_pattern": "<r.*>", "close": "</r>"}}},
        {"fields": {"thinking": {"open": "<r>"}}},
    ],
    ids=str,
)
def test_what_tells_no_marks_is_no_family(told: object) -> None:
    assert declared_family(told) is None
