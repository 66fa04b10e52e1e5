"""Every spelling with every value that it must not have."""

import pytest

from server.budget.parsing.read import BudgetDefaults
from server.budget.parsing.spellings import QUANTITIES
from server.budget.parsing.values import MAX_WAITS
from tests.server.budget.parsing.bodies import read, refused, written

WRONG_INTEGERS: list[object] = [
    True,
    False,
    3.5,
    float("inf"),
    float("nan"),
    1e300,
    "3",
    -2,
    2**31,
    10**30,
    [3],
    {},
    "auto",
]
INTEGER_FIELDS = [row.name for quantity in QUANTITIES[:3] for row in quantity.spellings] + [
    "thinking_budget.answer_reserve_tokens"
]


@pytest.mark.parametrize("value", WRONG_INTEGERS, ids=repr)
@pytest.mark.parametrize("name", INTEGER_FIELDS)
def test_what_is_no_integer_in_range_is_refused_by_name(name: str, value: object) -> None:
    if name == "thinking_budget" and value == {}:
        assert not read({"thinking_budget": {}}).asked
        return
    if name.startswith("model:") and value == "3":
        return  # a suffix is all text
    error = refused(written(name, value))
    assert (error.field, error.field in str(error)) == (name, True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("thinking_budget.min_tokens", -1),
        ("min_thinking_tokens", -1),
        ("thinking_budget.num_waits", -1),
        ("thinking_budget.num_waits", MAX_WAITS + 1),
        ("thinking_budget.answer_reserve_tokens", -1),
        ("thinking_budget.nudge", ""),
        ("thinking_budget.nudge", []),
        ("thinking_budget.nudge", 5),
        ("thinking_budget.nudge", "x" * 1001),
        ("thinking_budget.nudge", ["x"] * 65),
        ("thinking_budget.nudge", "\ud800"),
        ("thinking_budget.end_message", 5),
        ("thinking_budget.end_message", "x" * 4001),
        ("thinking_budget.end_message", "\udfff"),
        ("thinking_budget.max_steps", 0),
        ("thinking_budget.max_steps", 513),
        ("thinking_budget.max_steps", "16"),
        ("thinking_budget.grace_tokens", -1),
        ("thinking_budget.grace_tokens", "10%"),
        ("thinking_budget.grace_tokens", True),
        ("thinking_budget.on_loop", "stop"),
        ("thinking_budget.on_loop", True),
        ("thinking_budget.on_max", "stop"),
        ("budget_forcing.on_max", False),
        ("thinking_budget.suppress", "Wait"),
        ("thinking_budget.suppress", 5),
        ("thinking_budget.suppress", ["x"] * 65),
        ("thinking_budget.alpha_tokens", -1),
        ("thinking_budget.alpha_tokens", 1.4),
        ("model:grace", "much"),
        ("thinking_budget", "auto"),
        ("thinking_budget", "plenty"),
        ("thinking_budget", [400]),
        ("thinking_budget", True),
        ("budget_forcing", 400),
        ("thinking", True),
        ("thinking", "enabled"),
        ("thinking.type", "on"),
        ("thinking.type", True),
        ("reasoning", "high"),
        ("reasoning.enabled", "yes"),
        ("reasoning.effort", 3),
        ("reasoning_effort", "extreme"),
        ("reasoning_effort", ""),
        ("reasoning_effort", ["low"]),
        ("think", "hard"),
        ("think", 1),
        ("enable_thinking", "false"),
        ("enable_thinking", 0),
        ("include_reasoning", 1),
        ("chat_template_kwargs", "enable_thinking"),
        ("chat_template_kwargs.thinking", "on"),
        ("google", []),
        ("google.thinking_config", 400),
        ("nvext", 400),
        ("custom_params", "x"),
        ("extra_body", "x"),
        ("model:think", ""),
        ("model:effort", "hard"),
        ("model:nudge", ""),
    ],
    ids=lambda value: str(value)[:40].encode("ascii", "replace").decode(),
)
def test_a_wrong_value_is_refused_by_name(name: str, value: object) -> None:
    error = refused(written(name, value))
    assert error.field == name
    assert name in str(error)


@pytest.mark.parametrize(
    "beside",
    [{}, {"max_tokens": 0}, {"max_tokens": -1}, {"max_tokens": 40, "grace_tokens": 9}],
    ids=str,
)
def test_a_request_cannot_end_at_a_maximum_that_is_none_or_lands_before(beside: dict[str, object]) -> None:
    error = refused({"thinking_budget": {"on_max": "truncate", **beside}})
    assert error.field == "thinking_budget.on_max"


def test_a_wrong_string_in_a_list_is_named_by_its_place() -> None:
    error = refused({"thinking_budget": {"nudge": ["Wait", 5]}})
    assert error.field == "thinking_budget.nudge[1]"


def test_an_unknown_effort_names_the_words_that_there_are() -> None:
    error = refused({"reasoning_effort": "huge"}, BudgetDefaults(efforts={"none": 0, "brief": 9}))
    assert "none, brief" in str(error)
