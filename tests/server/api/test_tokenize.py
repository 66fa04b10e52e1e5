"""/tokenize is given the conversation that a chat shows the model; what shows in no prompt is no mistake."""

import json
from typing import Any

import pytest

from server.api.requests import TOKENIZE_PATH, read_request
from server.budget.budget import BudgetError, ThinkingBudget
from server.budget.parsing.presets import Preset
from server.budget.parsing.read import BudgetDefaults
from server.limits import RequestLimits
from server.reasoning.families import FAMILIES
from server.scaling.request import ScalingDefaults

CHAT = "/v1/chat/completions"
USER = {"role": "user", "content": "6*7?"}
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
MAJORITY, REBASE = {"method": "majority", "n": 4}, {"method": "rebase", "width": 4, "scorer": "likelihood"}
PRESET = {"vote": Preset(scaling=MAJORITY)}
TOLD = BudgetDefaults(ThinkingBudget(max_tokens=64, announces=True), presets=PRESET)


def forwarded(
    path: str,
    body: dict[str, Any],
    defaults: BudgetDefaults | None = None,
    scaling: ScalingDefaults | None = None,
    *,
    reads_tools: bool = True,
    hides_tools: bool = False,
) -> dict[str, Any]:
    """What vLLM is asked."""
    raw = json.dumps({"model": "m", "messages": [USER], **body}).encode()
    request = read_request(
        path,
        raw,
        defaults or BudgetDefaults(),
        scaling or ScalingDefaults(),
        RequestLimits(),
        FAMILIES["think"],
        reads_tools=reads_tools,
        hides_tools=hides_tools,
    )
    assert request is not None
    assert request.scaled is None or path == CHAT
    found: dict[str, Any] = json.loads(request.body)
    return found


@pytest.mark.parametrize(
    ("choice", "reads", "hides", "shows"),
    [
        ({}, False, True, False),
        ({"tool_choice": "auto"}, False, True, False),
        ({"tool_choice": "required"}, False, True, True),
        ({"tool_choice": "none"}, True, True, False),
        ({"tool_choice": "none"}, True, False, True),
        ({}, True, True, True),
    ],
)
def test_tools_that_a_chat_hides_are_not_in_the_prompt(
    choice: dict[str, Any], reads: bool, hides: bool, shows: bool
) -> None:
    body = {"tools": TOOLS, **choice}
    told = forwarded(TOKENIZE_PATH, body, reads_tools=reads, hides_tools=hides)
    assert ("tools" in told) is shows
    assert forwarded(CHAT, body, reads_tools=reads, hides_tools=hides)["tools"] == TOOLS  # vLLM hides them


def test_thought_that_is_to_go_on_is_left_to_the_chat_template() -> None:
    messages = [USER, {"role": "assistant", "content": "<think>\n6*7 is"}]
    body = {"messages": messages, "continue_final_message": True, "add_generation_prompt": False}
    assert forwarded(TOKENIZE_PATH, body) == {"model": "m", **body}
    assert forwarded(CHAT, body)["messages"] == [USER]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"reasoning_content": "So."}, {"reasoning": "So."}),
        ({"reasoning_content": "So.", "reasoning": None}, {"reasoning": "So."}),
        ({"reasoning_content": "So.", "reasoning": "Hm."}, {"reasoning": "Hm."}),
        ({"reasoning_content": None}, {}),
        ({"reasoning": "Hm."}, {"reasoning": "Hm."}),
    ],
    ids=str,
)
def test_thought_has_the_name_by_which_vllm_shows_it(given: dict[str, Any], told: dict[str, Any]) -> None:
    answer = {"role": "assistant", "content": "42"}
    found = forwarded(TOKENIZE_PATH, {"messages": [USER, {**answer, **given}, USER]})
    assert found["messages"] == [USER, {**answer, **told}, USER]


@pytest.mark.parametrize(
    "asking", [{"scaling": MAJORITY}, {"thinking_budget": "auto"}, {"reasoning_effort": "vote"}], ids=str
)
def test_operators_word_is_in_the_prompt_where_it_is_in_a_chats(asking: dict[str, Any]) -> None:
    for body, lines in (({}, "\n\nThink for up to 64 tokens."), (asking, "")):
        for path in (CHAT, TOKENIZE_PATH):
            assert forwarded(path, body, TOLD)["messages"] == [{**USER, "content": f"6*7?{lines}"}], path


@pytest.mark.parametrize(
    "body",
    [
        {"scaling": MAJORITY, "temperature": 0},
        {"scaling": MAJORITY, "tools": TOOLS},
        {"scaling": MAJORITY, "n": 2},
        {"scaling": MAJORITY, "stream_options": {"include_usage": True}},
        {"scaling": REBASE, "logprobs": True},
        {"scaling": REBASE, "continue_final_message": True},
        {"scaling": REBASE, "thinking_budget": {"max_tokens": 9, "announce": True}},
        {"scaling": REBASE, "thinking_budget": {"detail": True}},
        {"thinking_budget": "auto", "reasoning_effort": "none"},
        {"reasoning_effort": "vote", "temperature": 0},
        {"reasoning_effort": "vote", "tools": TOOLS},
    ],
    ids=str,
)
def test_conflict_of_a_method_is_none_in_a_prompt(body: dict[str, Any]) -> None:
    defaults = BudgetDefaults(presets=PRESET)
    with pytest.raises(BudgetError):
        forwarded(CHAT, body, defaults)
    forwarded(TOKENIZE_PATH, body, defaults)


def test_temperature_of_the_model_is_no_conflict_either() -> None:
    cold = ScalingDefaults(temperature=0)
    with pytest.raises(BudgetError, match="temperature"):
        forwarded(CHAT, {"scaling": MAJORITY}, scaling=cold)
    forwarded(TOKENIZE_PATH, {"scaling": MAJORITY}, scaling=cold)


@pytest.mark.parametrize("scaling", [{"method": "best"}, {"method": "majority", "n": 0}, 5], ids=str)
def test_method_that_there_is_not_is_refused_all_the_same(scaling: Any) -> None:
    with pytest.raises(BudgetError, match="scaling"):
        forwarded(TOKENIZE_PATH, {"scaling": scaling})


def test_detail_of_a_report_shows_in_no_prompt() -> None:
    asked = {"thinking_budget": {"max_tokens": 9, "detail": True}}
    plain = {"thinking_budget": {"max_tokens": 9}}
    assert forwarded(TOKENIZE_PATH, asked) == forwarded(TOKENIZE_PATH, plain)
