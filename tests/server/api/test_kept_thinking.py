"""What a conversation that comes back holds of its thinking, on every endpoint that reads one."""

from typing import Any

import pytest

from server.api.kept_thinking import describe_kept, refuse_kept, settle_thinking
from server.budget.budget import BudgetError
from server.budget.parsing.forward import TemplateVariables
from server.budget.parsing.keep import Keep
from server.reasoning.families import FAMILIES
from tests.server.api.every_endpoint import CHAT, MESSAGES, RESPONSES

THINK = FAMILIES["think"]
SHOWING = TemplateVariables(shows_earlier=True)
HIDING = TemplateVariables(shows_earlier=False)
SWITCHED = TemplateVariables(shows_earlier=False, shows_earlier_by=("clear_thinking", False))


def _t(text: str) -> dict[str, str]:
    return {"type": "thinking", "thinking": text, "text": text}


CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TALKS: dict[str, dict[str, Any]] = {
    CHAT: {
        "messages": [
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": "1", "reasoning_content": "early"},
            {"role": "user", "content": "two"},
            {"role": "assistant", "content": "", "reasoning": "late", "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c", "content": "2"},
        ]
    },
    MESSAGES: {
        "messages": [
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": [_t("early"), {"type": "text", "text": "1"}]},
            {"role": "user", "content": [{"type": "text", "text": "two"}]},
            {"role": "assistant", "content": [_t("late"), {"type": "tool_use", "id": "c", "name": "f"}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "2"}]},
        ]
    },
    RESPONSES: {
        "input": [
            {"role": "user", "content": "one"},
            {"type": "reasoning", "id": "r", "summary": [], "content": [_t("early")]},
            {"type": "message", "role": "assistant", "content": "1"},
            {"role": "user", "content": "two"},
            {"type": "reasoning", "id": "s", "summary": [], "content": [_t("late")]},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "2"},
        ]
    },
}
ENDPOINTS = pytest.mark.parametrize("path", TALKS)


def settled(
    path: str, keep: Keep | None, template: TemplateVariables = SHOWING, **more: Any
) -> dict[str, Any]:
    body = {**TALKS[path], **more}
    settle_thinking(path, body, keep, template, THINK)
    return body


def thoughts(body: dict[str, Any]) -> list[str]:
    return [word for word in ("early", "late") if word in str(body)]


@ENDPOINTS
def test_what_the_server_keeps_is_what_is_left(path: str) -> None:
    assert thoughts(settled(path, Keep.NONE)) == []
    assert thoughts(settled(path, Keep.TOOLS)) == ["late"]
    assert thoughts(settled(path, Keep.ALL)) == ["early", "late"]
    assert settled(path, None) == TALKS[path]


@ENDPOINTS
def test_all_but_the_thinking_stays(path: str) -> None:
    left = settled(path, Keep.NONE)
    for word in ("one", "1", "two", "2", "f"):
        assert f"'{word}'" in str(left)
    template = TemplateVariables(shows_earlier=False)
    assert settled(path, Keep.TOOLS, template) == TALKS[path]  # which leaves the early one out by itself


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ({"reasoning": {"context": "current_turn"}}, ["late"]),
        ({"reasoning": {"context": "all_turns"}}, ["early", "late"]),
        ({"reasoning": {"context": "auto"}}, []),
        ({"chat_template_kwargs": {"preserve_thinking": True}}, ["early", "late"]),
        ({"chat_template_kwargs": {"preserve_thinking": False}}, ["late"]),
        ({"chat_template_kwargs": {"clear_thinking": False}}, ["early", "late"]),
        ({"chat_template_kwargs": {"clear_thinking": True}}, ["late"]),
    ],
)
@ENDPOINTS
def test_request_beats_the_server(path: str, asked: dict[str, Any], kept: list[str]) -> None:
    assert thoughts(settled(path, Keep.NONE, **asked)) == kept


def test_vllm_is_told_no_context() -> None:
    body = settled(RESPONSES, None, reasoning={"context": "all_turns", "summary": "auto"})
    assert body["reasoning"] == {"summary": "auto"}


@ENDPOINTS
@pytest.mark.parametrize("asked", [{"reasoning": {"context": "all_turns"}}, {}])
def test_template_is_told_in_its_own_words(path: str, asked: dict[str, Any]) -> None:
    keep = None if asked else Keep.ALL
    body = settled(path, keep, SWITCHED, chat_template_kwargs={"x": 1}, **asked)
    assert body["chat_template_kwargs"] == {"x": 1, "clear_thinking": False}
    assert thoughts(body) == ["early", "late"]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"reasoning": {"context": "all_turns"}}, "reasoning.context"),
        ({"chat_template_kwargs": {"preserve_thinking": True}}, "chat_template_kwargs.preserve_thinking"),
    ],
)
def test_what_the_template_cannot_show_is_refused(asked: dict[str, Any], field: str) -> None:
    with pytest.raises(BudgetError, match="no variable for it") as error:
        settled(RESPONSES, None, HIDING, **asked)
    assert error.value.field == field


@ENDPOINTS
def test_servers_own_word_holds_as_far_as_the_template_can_which_the_start_says(path: str) -> None:
    assert settled(path, Keep.ALL, HIDING) == TALKS[path]
    assert "cannot" in describe_kept(Keep.ALL, HIDING)
    assert "cannot" not in describe_kept(Keep.ALL, SHOWING) + describe_kept(Keep.ALL, SWITCHED)
    assert "cannot" not in describe_kept(Keep.TOOLS, HIDING) + describe_kept(Keep.NONE, HIDING)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"reasoning": {"context": "every_turn"}}, "reasoning.context"),
        ({"chat_template_kwargs": {"clear_thinking": "no"}}, "chat_template_kwargs.clear_thinking"),
        (
            {"reasoning": {"context": "all_turns"}, "chat_template_kwargs": {"clear_thinking": True}},
            "chat_template_kwargs.clear_thinking",
        ),
        ({"reasoning": {"context": "all_turns"}, "previous_response_id": "resp_1"}, "reasoning.context"),
    ],
)
def test_mistake_is_refused_by_the_fields_name(asked: dict[str, Any], field: str) -> None:
    with pytest.raises(BudgetError) as error:
        settled(RESPONSES, None, **asked)
    assert error.value.field == field


def test_claude_codes_wish_is_granted_where_the_template_can_and_refused_nowhere() -> None:
    wish = {"context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}}
    assert settled(MESSAGES, None, SWITCHED, **wish)["chat_template_kwargs"] == {"clear_thinking": False}
    for template in (HIDING, SHOWING):
        assert settled(MESSAGES, None, template, **wish) == {**TALKS[MESSAGES], **wish}
    assert thoughts(settled(MESSAGES, Keep.NONE, SWITCHED, **wish)) == []


def test_thinking_within_marks_in_the_content_is_thinking() -> None:
    talk = [
        {"role": "assistant", "content": "<think>\nearly\n</think>\n\n1"},
        {"role": "user", "content": "?"},
    ]
    body = {"messages": talk}
    settle_thinking(CHAT, body, Keep.TOOLS, SHOWING, THINK)
    assert body["messages"][0]["content"] == "\n\n1"
    quoting = {"messages": [{"role": "assistant", "content": "It is <think>so</think>."}]}
    settle_thinking(CHAT, quoting, Keep.NONE, SHOWING, THINK)
    assert "<think>" in str(quoting)


def test_each_conversation_of_a_batch_is_one() -> None:
    body: dict[str, Any] = {"messages": [TALKS[CHAT]["messages"], TALKS[CHAT]["messages"][:3]]}
    settle_thinking("/v1/chat/completions/batch", body, Keep.TOOLS, SHOWING, THINK)
    assert [thoughts({"m": each}) for each in body["messages"]] == [["late"], []]


@pytest.mark.parametrize(
    ("part", "left"),
    [
        ({"type": "text", "text": "<think>early</think>1"}, "1"),
        ({"type": "text", "text": "early</think>1"}, "1"),  # the prompt had the start mark
        ({"type": "text", "text": "So <think>early</think>1"}, "So <think>early</think>1"),
    ],
)
def test_thinking_in_a_part_of_the_content_is_thinking(part: dict[str, str], left: str) -> None:
    thought = {"type": "thinking", "thinking": "early"}
    body: dict[str, Any] = {"messages": [{"role": "assistant", "content": [thought, part]}]}
    settle_thinking(CHAT, body, Keep.NONE, SHOWING, THINK)
    assert body["messages"][0]["content"] == [{"type": "text", "text": left}]


def test_requests_own_variable_of_the_template_wins() -> None:
    own = {"chat_template_kwargs": {"truncate_history_thinking": True}}
    nemotron = TemplateVariables(shows_earlier=False, shows_earlier_by=("truncate_history_thinking", False))
    assert settled(CHAT, Keep.ALL, nemotron, **own)["chat_template_kwargs"] == own["chat_template_kwargs"]


def test_prompt_without_turns_has_none_to_show() -> None:
    refuse_kept({"prompt": "a", "reasoning": {"context": "current_turn"}})
    for asked in ("all_turns", "bogus"):
        with pytest.raises(BudgetError, match=r"reasoning\.context"):
            refuse_kept({"prompt": "a", "reasoning": {"context": asked}})
