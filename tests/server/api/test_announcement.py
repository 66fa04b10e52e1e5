"""The model is told its budget: one line behind the last question, whichever API asks, and nothing else."""

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import httpx
import pytest

from server.api.requests import read_request
from server.budget.budget import BudgetError
from server.budget.parsing.forward import ANY_TEMPLATE
from server.budget.parsing.read import BudgetDefaults, read_budget
from server.flag_values import budget_of
from server.limits import RequestLimits
from server.reasoning.families import FAMILIES
from server.scaling.request import ScalingDefaults

CHAT, BATCH, RESPONSES, MESSAGES, COMPLETIONS = (
    *("/v1/chat/completions", "/v1/chat/completions/batch", "/v1/responses", "/v1/messages"),
    "/v1/completions",
)
TOLD = "Think for up to 64 tokens."
ASKED = {"thinking_budget": {"max_tokens": 64, "announce": True}}
TOLD_TASK = "The whole task may take up to 9000 tokens."
TOLD_LEFT = "Of the whole task 9000 tokens are left."
TASK = {"output_config": {"task_budget": {"type": "tokens", "total": 9000}}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:,"}}
RESULT = {"type": "tool_result", "tool_use_id": "a", "content": "4"}


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def forwarded(path: str, body: dict[str, Any], defaults: BudgetDefaults | None = None) -> dict[str, Any]:
    """What vLLM is asked."""
    request = read_request(
        path,
        json.dumps({"model": "m", **body}).encode(),
        defaults or BudgetDefaults(),
        ScalingDefaults(),
        RequestLimits(),
        FAMILIES["think"],
    )
    assert request is not None
    found: dict[str, Any] = json.loads(request.body)
    return found


QUESTIONS = [
    (CHAT, "messages", [user("6*7?")], [user(f"6*7?\n\n{TOLD}")]),
    (
        CHAT,
        "messages",
        [user([{"type": "text", "text": "What?"}, IMAGE])],
        [user([{"type": "text", "text": "What?"}, IMAGE, {"type": "text", "text": f"\n\n{TOLD}"}])],
    ),
    (
        CHAT,
        "messages",
        [user("1?"), {"role": "assistant", "content": "1."}, user("2?"), {"role": "tool", "content": "2"}],
        [
            user("1?"),
            {"role": "assistant", "content": "1."},
            user(f"2?\n\n{TOLD}"),
            {"role": "tool", "content": "2"},
        ],
    ),
    (BATCH, "messages", [[user("1?")], [user("2?")]], [[user(f"1?\n\n{TOLD}")], [user(f"2?\n\n{TOLD}")]]),
    (RESPONSES, "input", "6*7?", f"6*7?\n\n{TOLD}"),
    (
        MESSAGES,
        "messages",
        [user("2+2?"), {"role": "assistant", "content": "x"}, user([RESULT])],
        [user(f"2+2?\n\n{TOLD}"), {"role": "assistant", "content": "x"}, user([RESULT])],
    ),
]


@pytest.mark.parametrize(("path", "field", "asked", "told"), QUESTIONS)
def test_line_stands_behind_the_last_question_and_all_before_it_is_as_it_was(
    path: str, field: str, asked: Any, told: Any
) -> None:
    body = {"max_tokens": 100, field: asked}
    plain = forwarded(path, {**body, "thinking_budget": 64})
    got = forwarded(path, {**body, **ASKED})
    assert got == {**plain, field: told}


def test_items_of_responses_get_a_part_of_their_own_kind() -> None:
    parts = [{"type": "input_text", "text": "6*7?"}, {"type": "input_image", "image_url": "data:,"}]
    got = forwarded(RESPONSES, {"input": [{"type": "message", **user(parts)}], **ASKED})
    (item,) = got["input"]
    assert item["content"] == [*parts, {"type": "input_text", "text": f"\n\n{TOLD}"}]


def test_number_is_the_one_that_holds() -> None:
    ceiling = BudgetDefaults(ceiling=32)
    effort = {"messages": [user("?")], "reasoning_effort": "low", "thinking_budget": {"announce": True}}
    assert forwarded(CHAT, effort)["messages"] == [user("?\n\nThink for up to 1024 tokens.")]
    unlimited = {"messages": [user("?")], "thinking_budget": {"announce": True}}
    for body in (effort, unlimited):
        assert forwarded(CHAT, body, ceiling)["messages"] == [user("?\n\nThink for up to 32 tokens.")]


def test_operator_can_have_every_budget_told_and_a_client_have_none_told() -> None:
    told = BudgetDefaults(default=budget_of('{"max_tokens": 64, "announce": true}'))
    body = {"messages": [user("?")]}
    assert forwarded(CHAT, body, told)["messages"] == [user(f"?\n\n{TOLD}")]
    for wish in ({"thinking_budget": {"announce": False}}, {"thinking_budget": -1}, {"thinking_budget": 0}):
        assert forwarded(CHAT, {**body, **wish}, told)["messages"] == [user("?")], wish


def test_budget_of_a_task_is_told_beside_the_thinkings_or_alone() -> None:
    body = {"max_tokens": 100, "messages": [user("?")], **TASK}
    assert forwarded(MESSAGES, body)["messages"] == [user(f"?\n\n{TOLD_TASK}")]
    assert forwarded(MESSAGES, {**body, **ASKED})["messages"] == [user(f"?\n\n{TOLD}\n\n{TOLD_TASK}")]
    for total in ({"total": 20000}, {"total": 9000.0}, {"total": None}, {}):
        left = {"type": "tokens", "remaining": 9000, **total}
        got = forwarded(MESSAGES, {**body, "output_config": {"task_budget": left, "effort": "low"}})
        assert got["messages"] == [user(f"?\n\n{TOLD_LEFT}")]
        assert got["output_config"] == {"effort": "low"}
    assert not read_budget(TASK, BudgetDefaults()).asked  # it is no budget of this request's thinking


ANNOUNCE, TASK_BUDGET = "thinking_budget.announce", "output_config.task_budget"
ONE = {"messages": [user("?")]}
SYSTEM = {"role": "system", "content": "x"}


@pytest.mark.parametrize(
    ("path", "body", "field", "words"),
    [
        (COMPLETIONS, {"prompt": "6*7=", **ASKED}, ANNOUNCE, "a prompt is sent as it is"),
        (COMPLETIONS, {"prompt": "6*7=", **TASK}, TASK_BUDGET, "a prompt is sent as it is"),
        (CHAT, {"messages": [SYSTEM], **ASKED}, ANNOUNCE, "question"),
        (BATCH, {"messages": [[user("?")], [SYSTEM]], **ASKED}, ANNOUNCE, "question"),
        (CHAT, {**ONE, "thinking_budget": {"announce": True}}, ANNOUNCE, "maximum"),
        (CHAT, {**ONE, "thinking_budget": {"announce": 1}}, ANNOUNCE, "true or"),
        (MESSAGES, {**ONE, "output_config": {"task_budget": 9}}, TASK_BUDGET, "total"),
        (
            MESSAGES,
            {**ONE, "output_config": {"task_budget": {"type": "tokens", "total": -1}}},
            f"{TASK_BUDGET}.total",
            "-1",
        ),
        (
            MESSAGES,
            {**ONE, "output_config": {"task_budget": {"type": "tokens", "total": "x", "remaining": 9}}},
            f"{TASK_BUDGET}.total",
            "integer",
        ),
        (
            MESSAGES,
            {**ONE, "output_config": {"task_budget": {"type": "tokens", "total": 9, "remaining": 10}}},
            f"{TASK_BUDGET}.remaining",
            r"above output_config\.task_budget\.total",
        ),
    ],
)
def test_budget_that_cannot_be_told_is_refused_by_name(
    path: str, body: dict[str, Any], field: str, words: str
) -> None:
    with pytest.raises(BudgetError, match=words) as caught:
        forwarded(path, body)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (COMPLETIONS, {"prompt": "6*7="}),
        ("/invocations", {"prompt": "6*7="}),
        (CHAT, {"messages": [{"role": "system", "content": "x"}]}),
        (CHAT, {"messages": [user("?")], "use_beam_search": True}),
        (CHAT, {"messages": [user("?")], "scaling": {"method": "token_conditional", "tokens": 512}}),
        (RESPONSES, {"previous_response_id": "resp_1", "input": [{"type": "function_call_output"}]}),
    ],
)
def test_operators_word_refuses_no_request_that_it_cannot_be_kept_for(
    path: str, body: dict[str, Any]
) -> None:
    told = BudgetDefaults(default=budget_of('{"max_tokens": 64, "announce": true}'))
    assert forwarded(path, body, told) == forwarded(path, body)


def test_result_of_a_tool_in_a_stored_conversation_has_its_question_there() -> None:
    body = {"previous_response_id": "resp_1", "input": [{"type": "function_call_output", "output": "4"}]}
    assert forwarded(RESPONSES, {**body, **ASKED})["input"] == body["input"]


def test_question_beside_a_tools_result_is_the_last() -> None:
    blocks = [RESULT, {"type": "text", "text": "now 5?"}]
    got = forwarded(MESSAGES, {"max_tokens": 100, "messages": [user("2+2?"), user(blocks)], **ASKED})
    assert got["messages"] == [user("2+2?"), user([*blocks, {"type": "text", "text": f"\n\n{TOLD}"}])]


def test_picture_alone_gets_a_part_of_its_apis_kind() -> None:
    parts = [{"type": "input_image", "image_url": "data:,"}]
    (item,) = forwarded(RESPONSES, {"input": [user(parts)], **ASKED})["input"]
    assert item["content"][1]["type"] == "input_text"


@pytest.mark.parametrize("more", [ASKED, TASK, {"reasoning": {"context": "current_turn"}}, {"think": False}])
def test_lists_in_lists_without_end_are_no_servers_error(more: dict[str, Any]) -> None:
    messages: list[Any] = [user("?")]
    for _ in range(600):
        messages = [messages]
    defaults = BudgetDefaults(template=replace(ANY_TEMPLATE, words={False: "/no_think"}))
    with suppress(BudgetError):  # else vLLM says what a message is
        forwarded(CHAT, {"messages": messages, **more}, defaults)


def test_method_with_words_of_its_own_is_not_told_another_number() -> None:
    scaling = {"scaling": {"method": "token_conditional", "tokens": 512}}
    with pytest.raises(BudgetError, match="words of its own") as caught:
        forwarded(CHAT, {"messages": [user("?")], **ASKED, **scaling})
    assert caught.value.field == "thinking_budget.announce"


@pytest.mark.engine
def test_model_is_shown_the_line(server_url: str) -> None:
    def prompt_tokens(path: str, **more: Any) -> int:
        body = {"model": "s1-nano", "max_tokens": 90, **more}
        reply = httpx.post(server_url + path, json=body, timeout=300)
        assert reply.status_code == 200, reply.text
        usage = reply.json()["usage"]
        return int(usage.get("prompt_tokens") or usage["input_tokens"])

    question, line = user("Find the smallest prime factor of 391."), f"\n\n{TOLD}"
    written = user(question["content"] + line)
    shown = prompt_tokens(CHAT, messages=[written])
    assert shown > prompt_tokens(CHAT, messages=[question])
    assert prompt_tokens(CHAT, messages=[question], **ASKED) == shown
    assert prompt_tokens(MESSAGES, messages=[question], **ASKED) == shown
    assert prompt_tokens(RESPONSES, input=question["content"], max_output_tokens=90, **ASKED) == shown
    assert prompt_tokens(MESSAGES, messages=[question], **TASK) > prompt_tokens(CHAT, messages=[question])
