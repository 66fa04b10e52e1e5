"""Which quantity beats which: contradictions, precedence, ceiling; and that any JSON is read or refused."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.budget.budget import UNLIMITED, BudgetError, ThinkingBudget
from server.budget.parsing.read import BudgetDefaults, read_budget
from server.budget.parsing.spellings import QUANTITIES, SPELLINGS
from server.budget.parsing.values import MAX_TOKENS, MAX_WAITS
from tests.examples import examples
from tests.server.budget.parsing.bodies import Json, read, refused

OFF = [
    {"enable_thinking": False},
    {"think": False},
    {"thinking": {"type": "disabled"}},
    {"reasoning": {"enabled": False}},
    {"chat_template_kwargs": {"enable_thinking": False}},
    {"chat_template_kwargs": {"thinking": False}},
    {"reasoning_effort": "none"},
    {"model": "m:effort=none"},
]


@pytest.mark.parametrize("off", OFF, ids=str)
@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ({"thinking_budget": {"max_tokens": 400}}, "thinking_budget.max_tokens"),
        ({"thinking_token_budget": UNLIMITED}, "thinking_token_budget"),
        ({"min_thinking_tokens": 1}, "min_thinking_tokens"),
        ({"thinking_budget": {"num_waits": 1}}, "thinking_budget.num_waits"),
    ],
    ids=str,
)
def test_thinking_switched_off_and_asked_for_is_refused(off: Json, wanted: Json, name: str) -> None:
    error = refused({**off, **wanted})
    assert error.field == name
    assert name in str(error)
    assert "switches thinking off" in str(error)


@pytest.mark.parametrize("off", OFF, ids=str)
def test_thinking_switched_off_is_a_maximum_of_zero_whatever_the_defaults(off: Json) -> None:
    defaults = BudgetDefaults(default=ThinkingBudget(max_tokens=99, min_tokens=9, num_waits=2), ceiling=50)
    got = read({**off, "thinking_budget_tokens": 0, "min_thinking_tokens": 0}, defaults)
    assert (got.budget, got.thinking_enabled) == (ThinkingBudget(max_tokens=0, min_tokens=0), False)
    got = read(off, defaults)
    assert (got.budget, got.thinking_enabled) == (ThinkingBudget(max_tokens=0), False)
    assert got.source != "default"
    assert got.clamped_from is None


def test_an_effort_against_a_switch_is_refused() -> None:
    bodies: list[Json] = [
        {"reasoning_effort": "high", "enable_thinking": False},
        {"reasoning_effort": "none", "enable_thinking": True},
    ]
    for body in bodies:
        error = refused(body)
        assert "reasoning_effort" in str(error)
        assert "enable_thinking" in str(error)


@pytest.mark.parametrize(
    "on",
    [
        {"enable_thinking": True},
        {"think": True},
        {"thinking": {"type": "enabled"}},
        {"thinking": {"type": "adaptive"}},
        {"reasoning": {"enabled": True}},
    ],
    ids=str,
)
def test_thinking_switched_on_is_no_budget(on: Json) -> None:
    got = read(on)
    assert (got.budget, got.asked, got.thinking_enabled) == (ThinkingBudget(), False, True)
    assert got.source == "default"


def test_a_number_beats_an_effort_which_beats_the_default() -> None:
    defaults = BudgetDefaults(default=ThinkingBudget(max_tokens=77, num_waits=1, end_message="So"))
    got = read({}, defaults)
    assert (got.budget, got.source, got.asked) == (defaults.default, "default", False)
    got = read({"reasoning_effort": "low"}, defaults)
    assert (got.budget.max_tokens, got.source) == (1024, "reasoning_effort")
    got = read({"reasoning_effort": "low", "thinking_budget": {"max_tokens": 5, "num_waits": 0}}, defaults)
    assert got.budget == ThinkingBudget(max_tokens=5, num_waits=0, end_message="So")
    assert got.source == "thinking_budget.max_tokens"


def test_a_minimum_above_the_maximum_is_refused_and_both_are_named() -> None:
    error = refused({"min_thinking_tokens": 401, "thinking_budget": 400})
    assert error.field == "min_thinking_tokens"
    assert "min_thinking_tokens (401) is above thinking_budget (400)" in str(error)
    assert read({"min_thinking_tokens": 400, "thinking_budget": 400}).budget.min_tokens == 400
    assert read({"min_thinking_tokens": 400, "thinking_budget": UNLIMITED}).budget.min_tokens == 400


def test_a_minimum_above_an_effort_or_the_default_is_refused() -> None:
    assert "reasoning_effort (1024)" in str(refused({"min_thinking_tokens": 2000, "reasoning_effort": "low"}))
    defaults = BudgetDefaults(default=ThinkingBudget(max_tokens=50))
    assert "the server's default maximum (50)" in str(refused({"min_thinking_tokens": 51}, defaults))


def test_the_default_minimum_gives_way_to_the_clients_maximum() -> None:
    defaults = BudgetDefaults(default=ThinkingBudget(min_tokens=50))
    assert read({"thinking_budget": 20}, defaults).budget == ThinkingBudget(max_tokens=20, min_tokens=20)
    assert read({"thinking_budget": 90}, defaults).budget.min_tokens == 50
    assert read({"thinking_budget": UNLIMITED}, defaults).budget.min_tokens == 50


@pytest.mark.parametrize(
    ("body", "maximum", "clamped_from"),
    [
        ({}, 100, UNLIMITED),
        ({"thinking_budget": UNLIMITED}, 100, UNLIMITED),
        ({"thinking_budget": 101}, 100, 101),
        ({"thinking_budget": 100}, 100, None),
        ({"thinking_budget": 0}, 0, None),
        ({"reasoning_effort": "low"}, 100, 1024),
        ({"reasoning_effort": "max"}, 100, UNLIMITED),
    ],
    ids=str,
)
def test_no_maximum_is_above_the_ceiling(body: Json, maximum: int, clamped_from: int | None) -> None:
    got = read(body, BudgetDefaults(ceiling=100))
    assert (got.budget.max_tokens, got.clamped_from) == (maximum, clamped_from)


def test_a_minimum_above_the_ceiling_is_refused() -> None:
    error = refused({"min_thinking_tokens": 101}, BudgetDefaults(ceiling=100))
    assert error.field == "min_thinking_tokens"
    assert "--max-thinking-budget (100)" in str(error)


@pytest.mark.parametrize(
    ("default", "ceiling", "efforts"),
    [
        (ThinkingBudget(max_tokens=-2), None, {}),
        (ThinkingBudget(min_tokens=-1), None, {}),
        (ThinkingBudget(num_waits=MAX_WAITS + 1), None, {}),
        (ThinkingBudget(nudge=()), None, {}),
        (ThinkingBudget(end_message="x" * 5000), None, {}),
        (ThinkingBudget(answer_reserve_tokens=-1), None, {}),
        (ThinkingBudget(max_tokens=5, min_tokens=6), None, {}),
        (ThinkingBudget(min_tokens=6), 5, {}),
        (ThinkingBudget(), -1, {}),
        (ThinkingBudget(), None, {"low": -2}),
        (ThinkingBudget(), None, {"none": 5}),
    ],
    ids=str,
)
def test_the_operators_contradictions_are_refused_at_the_start(
    default: ThinkingBudget, ceiling: int | None, efforts: dict[str, int]
) -> None:
    with pytest.raises(ValueError, match=r"default|ceiling|effort"):
        BudgetDefaults(default=default, ceiling=ceiling, efforts=efforts)


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 5000),
    st.integers(),
    st.floats(),
    st.text(st.characters(), max_size=6),
    st.sampled_from(["auto", "none", "low", "enabled", "disabled", "m:think=5", "m:min=9,waits=1", "m:x=1"]),
)
names = st.sampled_from([*sorted({key for row in SPELLINGS for key in row.path}), "vllm_xargs", "x.y"])
keys = names | st.text(st.characters(), max_size=6)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4)
)
plausible: dict[str, st.SearchStrategy[object]] = {
    "tokens": st.sampled_from([-1, 0, 20, 60, 60, 60, 5000]),
    "few": st.sampled_from([0, 0, 1, 20]),
    "text": st.sampled_from(["Wait", "Hm"]),
    "grace": st.sampled_from(["auto", 0, 20, 500]),
    "loop": st.sampled_from(["close", "ignore"]),
    "end": st.sampled_from(["answer", "truncate"]),
    "words": st.sampled_from(["nowait", ["Wait"], []]),
    "effort": st.sampled_from(["none", "low", "low", "max"]),
    "switch": st.sampled_from([True, True, False]),
    "type": st.sampled_from(["enabled", "adaptive", "disabled"]),
    "task": st.sampled_from(
        [{"type": "tokens", "total": 500}, {"type": "tokens", "total": 9, "remaining": 4}]
    ),
}
KINDS = (
    *("tokens", "few", "few", "text", "text", "few", "few", "grace", "loop", "end", "words", "few"),
    *("effort", "switch", "switch", "switch", "switch", "task"),
)
spelling_and_value = [
    st.tuples(st.just(row.path), plausible["type" if row.name == "thinking.type" else kind])
    for kind, quantity in zip(KINDS, QUANTITIES, strict=True)
    for row in quantity.spellings
    if row.path[0] != "model"
]
spelled = st.lists(st.one_of(spelling_and_value), min_size=1, max_size=4).map(lambda pairs: _body(pairs))
bodies = spelled | spelled | st.dictionaries(keys, values, max_size=5)
defaults = st.builds(
    BudgetDefaults,
    default=st.builds(
        ThinkingBudget, max_tokens=st.none() | st.integers(50, 200), min_tokens=st.none() | st.integers(0, 50)
    ),
    ceiling=st.none() | st.integers(50, 300),
)


def _body(pairs: list[tuple[tuple[str, ...], object]]) -> Json:
    """The JSON that has each value at its path."""
    body: Json = {}
    for (*parents, key), value in pairs:
        inside = body
        for parent in parents:
            child = inside.get(parent)
            inside[parent] = child = child if isinstance(child, dict) else {}
            inside = child
        inside[key] = value
    return body


@settings(max_examples=examples(400))
@given(body=bodies, operator=defaults)
def test_any_json_reads_or_is_refused_and_what_is_read_holds(body: Json, operator: BudgetDefaults) -> None:
    before = copy.deepcopy(body)
    try:
        got = read_budget(body, operator)
    except BudgetError as error:
        assert error.field
        str(error).encode("utf-8")
        assert repr(body) == repr(before)
        return
    assert repr(body) == repr(before)
    budget, ceiling = got.budget, operator.ceiling
    assert budget.max_tokens is None or UNLIMITED <= budget.max_tokens <= MAX_TOKENS
    assert ceiling is None or (budget.max_tokens is not None and 0 <= budget.max_tokens <= ceiling)
    if budget.max_tokens not in (None, UNLIMITED):
        assert (budget.min_tokens or 0) <= budget.max_tokens
    if got.thinking_enabled is False:
        assert (budget.max_tokens, budget.min_tokens or 0, budget.num_waits or 0) == (0, 0, 0)
    assert budget.nudge is None or all(budget.nudge)
    assert not budget.grace_tokens or budget.max_tokens not in (None, UNLIMITED) or not got.asked
    assert not budget.truncates or ((budget.max_tokens or 0) > 0 and not budget.grace_tokens)
    assert got.clamped_from is None or ceiling is not None
    assert got.source == "default" or got.asked
    assert not {"thinking_budget", "thinking_token_budget", "enable_thinking", "think"} & got.body.keys()
    again = read_budget(got.body, operator)
    assert again.thinking_enabled in (got.thinking_enabled, True)
