"""A preset is named in one of its places, leaves the body, and gives way to what the client says itself."""

from typing import Any

import pytest

from server.budget.budget import BudgetError, ThinkingBudget
from server.budget.parsing.defaults import BudgetDefaults
from server.budget.parsing.presets import Preset, take_preset
from server.budget.parsing.read import ReadBudget, read_budget

PRO = Preset(ThinkingBudget(max_tokens=4096, min_tokens=100, num_waits=2))
FAST = Preset(ThinkingBudget(max_tokens=0))
PRESETS = {"pro": PRO, "fast": FAST, "many": Preset(scaling={"method": "majority", "n": 4})}
DEFAULTS = BudgetDefaults(default=ThinkingBudget(max_tokens=64, nudge=("Hmm",)), presets=PRESETS)


def read(body: dict[str, Any], preset: Preset = PRO, defaults: BudgetDefaults = DEFAULTS) -> ReadBudget:
    return read_budget(body, defaults.under(preset))


@pytest.mark.parametrize(
    ("body", "left", "where"),
    [
        ({"reasoning": {"mode": "pro"}}, {}, "reasoning.mode"),
        (
            {"reasoning": {"mode": "pro", "summary": "auto"}},
            {"reasoning": {"summary": "auto"}},
            "reasoning.mode",
        ),
        ({"reasoning_effort": "pro", "n": 1}, {"n": 1}, "reasoning_effort"),
        ({"reasoning": {"effort": "pro"}}, {}, "reasoning.effort"),
        ({"output_config": {"effort": "pro"}}, {}, "output_config.effort"),
        ({"think": "pro"}, {}, "think"),
        ({"model": "s1-nano:pro"}, {"model": "s1-nano"}, "model"),
        ({"model": "qwen3:8b:pro"}, {"model": "qwen3:8b"}, "model"),
        ({"model": "s1-nano:pro:waits=1"}, {"model": "s1-nano:waits=1"}, "model"),
        ({"model": "a:pro", "reasoning_effort": "pro"}, {"model": "a"}, "reasoning_effort"),
    ],
)
def test_preset_is_named_in_each_place_and_leaves_it(
    body: dict[str, Any], left: dict[str, Any], where: str
) -> None:
    rest, named = take_preset(body, PRESETS)
    assert named is not None
    assert (rest, named.name, named.where, named.preset) == (left, "pro", where, PRO)


@pytest.mark.parametrize(
    "body",
    [
        {"reasoning": {"mode": "standard"}, "reasoning_effort": "low", "model": "qwen3:8b"},
        {"reasoning": "pro", "think": True, "model": "pro"},
        {"reasoning": {"mode": ["pro"]}, "model": ":pro"},
    ],
)
def test_what_names_no_preset_stays(body: dict[str, Any]) -> None:
    assert take_preset(body, PRESETS) == (body, None)


def test_two_presets_in_one_request_are_refused() -> None:
    with pytest.raises(BudgetError, match=r'reasoning_effort \("pro"\) and model \("fast"\)') as caught:
        take_preset({"reasoning_effort": "pro", "model": "a:fast"}, PRESETS)
    assert caught.value.field == "model"


def test_preset_stands_in_the_place_of_the_servers_default_part_by_part() -> None:
    budget = read({}).budget
    assert (budget.max_tokens, budget.min_tokens, budget.num_waits) == (4096, 100, 2)
    assert budget.nudge == ("Hmm",)  # the server's, which the preset does not speak of


def test_clients_own_numbers_beat_the_preset() -> None:
    budget = read({"thinking_budget": {"max_tokens": 32, "num_waits": 0}}).budget
    assert (budget.max_tokens, budget.num_waits) == (32, 0)
    assert budget.min_tokens == 32  # cut to the client's maximum, as the server's default is
    assert read({"reasoning_effort": "low"}).budget.max_tokens == 1024


def test_switched_off_by_the_client_a_preset_asks_for_nothing() -> None:
    off = read({"enable_thinking": False})
    assert (off.budget.max_tokens, off.budget.min_tokens, off.budget.num_waits) == (0, None, None)
    assert off.switched is False


def test_preset_that_asks_for_thinking_switches_it_on_where_the_template_has_it_off() -> None:
    assert read({}).switched is True
    assert read({}).body["chat_template_kwargs"] == {"enable_thinking": True, "thinking": True}
    assert read({}, FAST).switched is None


@pytest.mark.parametrize("body", [{"thinking_budget": 0}, {"max_thinking_tokens": 0}])
def test_budget_of_none_beats_a_preset_that_asks_for_thinking(body: dict[str, Any]) -> None:
    assert read(body).switched is not True


def test_preset_may_end_the_request_at_its_maximum() -> None:
    cuts = Preset(ThinkingBudget(max_tokens=9, truncates=True))
    assert read({}, cuts).budget.truncates is True
    assert read({"thinking_budget": {"on_max": "answer"}}, cuts).budget.truncates is False
    assert read({"thinking_budget": {"max_tokens": 8, "grace_tokens": 2}}, cuts).budget.truncates is None
    assert read({"thinking_budget": 0}, cuts).budget.truncates is None
    assert read({"thinking_budget": -1}, cuts).budget.truncates is None


def test_ceiling_is_above_a_preset() -> None:
    defaults = BudgetDefaults(ceiling=256, presets=PRESETS)
    found = read({}, defaults=defaults)
    assert (found.budget.max_tokens, found.clamped_from) == (256, 4096)
    with pytest.raises(ValueError, match="minimum 100 is above the ceiling 50"):
        BudgetDefaults(ceiling=50, presets=PRESETS).under(PRO)


def test_mode_or_effort_that_is_none_of_them_is_refused_with_their_names() -> None:
    with pytest.raises(BudgetError, match="modes are standard, pro, fast, many"):
        read_budget({"reasoning": {"mode": "deep"}}, DEFAULTS)
    with pytest.raises(BudgetError, match=r"must be one of none, .*, pro, fast, many, not"):
        read_budget({"reasoning_effort": "deep"}, DEFAULTS)
