"""A word in the system prompt switches thinking where the template reads no variable for it."""

import json
from dataclasses import replace
from typing import Any

import pytest

from server.api.requests import read_request
from server.budget.budget import ThinkingBudget
from server.budget.parsing.defaults import BudgetDefaults
from server.budget.parsing.forward import TemplateVariables
from server.limits import RequestLimits
from server.scaling.request import ScalingDefaults

NEMOTRON, LING = {False: "/no_think"}, {True: "detailed thinking on"}
USER = {"role": "user", "content": "How many?"}
CHAT = "/v1/chat/completions"


def sent(words: dict[bool, str], path: str = CHAT, **body: Any) -> dict[str, Any]:
    """What goes on to vLLM."""
    defaults = replace(BudgetDefaults(ThinkingBudget()), template=TemplateVariables(words=words))
    given = {"model": "m", "messages": [USER], **body}
    raw = json.dumps(given).encode()
    request = read_request(path, raw, defaults, ScalingDefaults(), RequestLimits(), None)
    assert request is not None
    body = json.loads(request.body)
    assert isinstance(body, dict)
    return body


@pytest.mark.parametrize(
    "asks",
    [
        {"thinking_budget": 40},
        {"thinking_budget": {"num_waits": 1}},
        {"thinking_budget": {"min_tokens": 9}},
        {"reasoning_effort": "low"},
        {"enable_thinking": True},
    ],
    ids=str,
)
def test_budget_is_asked_for_by_the_word_where_thinking_is_off(asks: dict[str, Any]) -> None:
    told = {"role": "system", "content": "detailed thinking on"}
    assert sent(LING, **asks)["messages"] == [told, USER]
    assert sent(NEMOTRON, **asks)["messages"] == [USER]  # it thinks by itself


@pytest.mark.parametrize("asks", [{"enable_thinking": False}, {"reasoning_effort": "none"}], ids=str)
def test_thinking_is_switched_off_by_the_word(asks: dict[str, Any]) -> None:
    assert sent(NEMOTRON, **asks)["messages"] == [{"role": "system", "content": "/no_think"}, USER]
    assert sent(LING, **asks)["messages"] == [USER]


def test_what_says_nothing_of_thinking_is_left_alone() -> None:
    for words in (NEMOTRON, LING, {}):
        assert sent(words)["messages"] == [USER]
        assert sent(words, thinking_budget={"nudge": "So"})["messages"] == [USER]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("Be brief.", "Be brief.\n/no_think"),
        ("", "/no_think"),
        (
            [{"type": "text", "text": "Be brief."}],
            [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "\n/no_think"}],
        ),
        ({"wrong": 1}, {"wrong": 1}),
    ],
    ids=str,
)
def test_word_stands_behind_a_system_prompt(content: Any, told: Any) -> None:
    system = {"role": "system", "content": content}
    messages = sent(NEMOTRON, messages=[system, USER], enable_thinking=False)["messages"]
    assert messages == [{"role": "system", "content": told}, USER]


@pytest.mark.parametrize("word", ["/think", "/no_think", "So: /think!"])
@pytest.mark.parametrize("role", ["system", "user"])
def test_word_of_the_clients_own_stands(word: str, role: str) -> None:
    said = [{"role": role, "content": [{"type": "text", "text": word}]}, USER]
    assert sent(NEMOTRON, messages=said, enable_thinking=False)["messages"] == said


def test_word_that_an_assistant_has_said_is_none() -> None:
    said = [{"role": "assistant", "content": "/think"}, USER]
    assert sent(NEMOTRON, messages=said, enable_thinking=False)["messages"][0]["content"] == "/no_think"


def test_each_endpoint_has_its_own_system_prompt() -> None:
    off = {"enable_thinking": False}
    assert sent(NEMOTRON, "/v1/messages", system="Be brief.", **off)["system"] == "Be brief.\n/no_think"
    assert sent(NEMOTRON, "/v1/messages", **off)["system"] == "/no_think"
    assert "system" not in sent(
        NEMOTRON, "/v1/messages", messages=[{"role": "user", "content": "/think"}], **off
    )
    count = sent(NEMOTRON, "/v1/messages/count_tokens", **off)
    assert (count["system"], count["messages"]) == ("/no_think", [USER])
    response = {"messages": None, "input": "How many?", **off}
    assert sent(NEMOTRON, "/v1/responses", **response)["instructions"] == "/no_think"
    batch = sent(NEMOTRON, f"{CHAT}/batch", messages=[[USER], [USER]], **off)["messages"]
    assert batch == [[{"role": "system", "content": "/no_think"}, USER]] * 2
