"""Every spelling alone, beside one that disagrees, and null."""

import pytest

from server.budget.budget import NOWAIT_WORDS, TENTH, UNLIMITED, ThinkingBudget
from server.budget.parsing.read import BudgetDefaults, describe_spellings
from server.budget.parsing.spellings import EFFORT, ENABLED, SPELLINGS
from tests.server.budget.parsing.bodies import Json, read, refused, written


def merged(left: Json, right: Json) -> Json:
    both = dict(left)
    for key, value in right.items():
        mine = both.get(key)
        both[key] = merged(mine, value) if isinstance(mine, dict) and isinstance(value, dict) else value
    return both


CANONICAL_MAX = "thinking_token_budget"
MAXIMA = [
    "thinking_budget",
    "thinking_budget.max_tokens",
    "budget_forcing.max_tokens",
    "thinking_token_budget",
    "max_thinking_tokens",
    "thinking_budget_tokens",
    "reasoning_budget_tokens",
    "reasoning_max_tokens",
    "max_reasoning_tokens",
    "max_tokens_thinking",
    "thinking.budget_tokens",
    "reasoning.max_tokens",
    "chat_template_kwargs.thinking_budget",
    "chat_template_kwargs.thinking_token_budget",
    "google.thinking_config.thinking_budget",
    "extra_body.google.thinking_config.thinking_budget",
    "nvext.max_thinking_tokens",
    "custom_params.thinking_budget",
    "logits_processors_args.thinking_budget",
    "extra_args.thinking_token_budget",
    "options.think_budget",
    "model:think",
    "model:max",
]
ROWS: list[tuple[str, object, str, object]] = [
    # (spelling, JSON value, field of ThinkingBudget, what it must hold)
    *[(name, 400, "max_tokens", 400) for name in MAXIMA],
    ("thinking_budget.min_tokens", 30, "min_tokens", 30),
    ("budget_forcing.min_tokens", 30, "min_tokens", 30),
    ("min_thinking_tokens", 30, "min_tokens", 30),
    ("min_tokens_thinking", 30, "min_tokens", 30),
    ("model:min", 30, "min_tokens", 30),
    ("thinking_budget.num_waits", 2, "num_waits", 2),
    ("budget_forcing.num_waits", 2, "num_waits", 2),
    ("thinking_n_ignore", 2, "num_waits", 2),
    ("model:waits", 2, "num_waits", 2),
    ("thinking_budget.nudge", ["Hm", "Wait"], "nudge", ("Hm", "Wait")),
    ("thinking_budget.nudge", "Hm", "nudge", ("Hm",)),
    ("budget_forcing.nudge", "Hm", "nudge", ("Hm",)),
    ("budget_forcing.wait_string", "Hm", "nudge", ("Hm",)),
    ("thought_switch_tokens", ["Hm", "But"], "nudge", ("Hm", "But")),
    ("thinking_n_ignore_str", "Hm", "nudge", ("Hm",)),
    ("model:nudge", "Hm: 5", "nudge", ("Hm: 5",)),
    ("thinking_budget.end_message", "", "end_message", ""),
    ("budget_forcing.end_message", "So:", "end_message", "So:"),
    ("reasoning_budget_message", "So:", "end_message", "So:"),
    ("think_stop_sentence", "So:", "end_message", "So:"),
    ("logits_processors_args.think_stop_sentence", "So:", "end_message", "So:"),
    ("thinking_budget.answer_reserve_tokens", 64, "answer_reserve_tokens", 64),
    ("budget_forcing.answer_reserve_tokens", 64, "answer_reserve_tokens", 64),
    ("thinking_budget.max_steps", 16, "max_steps", 16),
    ("budget_forcing.max_steps", 16, "max_steps", 16),
    ("thinking_budget.on_loop", "ignore", "breaks_loops", False),
    ("thinking_budget.on_loop", "close", "breaks_loops", True),
    ("budget_forcing.on_loop", "ignore", "breaks_loops", False),
    ("thinking_budget.on_max", "answer", "truncates", False),
    ("budget_forcing.on_max", "answer", "truncates", False),
    ("thinking_budget.suppress", ["Wait", "Hmm"], "suppress", ("Wait", "Hmm")),
    ("thinking_budget.suppress", "nowait", "suppress", NOWAIT_WORDS),
    ("thinking_budget.suppress", [], "suppress", ()),
    ("budget_forcing.suppress", ["Wait"], "suppress", ("Wait",)),
    ("thinking_budget.alpha_tokens", 400, "alpha_tokens", 400),
    ("budget_forcing.alpha_tokens", 0, "alpha_tokens", 0),
    ("reasoning_effort", "low", "max_tokens", 1024),
    ("reasoning.effort", "medium", "max_tokens", 4096),
    ("output_config.effort", "high", "max_tokens", 16384),
    ("think", "minimal", "max_tokens", 512),
    ("think", False, "max_tokens", 0),
    ("chat_template_kwargs.reasoning_effort", "xhigh", "max_tokens", 32768),
    ("google.thinking_config.thinking_level", "low", "max_tokens", 1024),
    ("extra_body.google.thinking_config.thinking_level", "low", "max_tokens", 1024),
    ("model:effort", "max", "max_tokens", UNLIMITED),
    ("enable_thinking", False, "max_tokens", 0),
    ("thinking.type", "disabled", "max_tokens", 0),
    ("reasoning.enabled", False, "max_tokens", 0),
    ("chat_template_kwargs.enable_thinking", False, "max_tokens", 0),
    ("chat_template_kwargs.thinking", False, "max_tokens", 0),
]
GRACE_ROWS: list[tuple[str, object, int]] = [
    ("thinking_budget.grace_tokens", 40, 40),
    ("thinking_budget.grace_tokens", "auto", TENTH),
    ("thinking_budget.grace_tokens", 0, 0),
    ("budget_forcing.grace_tokens", 40, 40),
    ("model:grace", 40, 40),
    ("model:grace", "auto", TENTH),
]
SHOWN_ROWS: list[tuple[str, object, object]] = [
    ("include_reasoning", False, True),
    ("reasoning.exclude", True, False),
    ("google.thinking_config.include_thoughts", False, True),
    ("extra_body.google.thinking_config.include_thoughts", False, True),
    ("thinking.display", "omitted", "summarized"),
]
DETAIL_ROW = "thinking_budget.detail"
TOLD_ROWS = {"thinking_budget.announce", "budget_forcing.announce", "output_config.task_budget"}
"""What the model is told: tests/server/api/test_announcement.py."""


@pytest.mark.parametrize(("name", "value", "field", "expected"), ROWS)
def test_a_spelling_alone_sets_its_quantity_and_no_other(
    name: str, value: object, field: str, expected: object
) -> None:
    got = read(written(name, value))
    wanted = {"max_tokens": None, **{field: expected}}
    assert got.budget == ThinkingBudget(**wanted)  # type: ignore[arg-type]
    assert got.asked
    assert got.source == (name if field == "max_tokens" else "default")


@pytest.mark.parametrize(("name", "value", "expected"), GRACE_ROWS)
def test_grace_is_read_beside_a_maximum(name: str, value: object, expected: int) -> None:
    got = read(merged({"max_thinking_tokens": 400}, written(name, value)))
    assert got.budget == ThinkingBudget(max_tokens=400, grace_tokens=expected)


@pytest.mark.parametrize(("name", "value", "expected"), [row for row in GRACE_ROWS if row[2]])
def test_grace_without_a_maximum_is_refused(name: str, value: object, expected: int) -> None:
    assert expected
    for unlimited in ({}, {"max_thinking_tokens": -1}):
        error = refused(merged(dict(unlimited), written(name, value)))
        assert (error.field, "needs a maximum" in str(error)) == (name, True)


def test_grace_above_the_maximum_is_refused_and_above_the_ceiling_is_cut() -> None:
    body: Json = {"thinking_budget": {"max_tokens": 100, "grace_tokens": 101}}
    assert "above thinking_budget.max_tokens (100)" in str(refused(body))
    cut = read({"thinking_budget": {"max_tokens": 100, "grace_tokens": 90}}, BudgetDefaults(ceiling=50))
    assert (cut.budget.max_tokens, cut.budget.grace_tokens) == (50, 90)


def test_steering_of_the_server_holds_where_the_client_said_nothing() -> None:
    default = ThinkingBudget(grace_tokens=TENTH, suppress=("Hmm",), alpha_tokens=9, breaks_loops=False)
    defaults = BudgetDefaults(default=default)
    assert read({}, defaults).budget == default
    assert read({"thinking_budget": {"suppress": [], "grace_tokens": 0}}, defaults).budget == ThinkingBudget(
        grace_tokens=0, suppress=(), alpha_tokens=9, breaks_loops=False
    )


@pytest.mark.parametrize("name", MAXIMA)
def test_whole_float_is_the_number_that_it_is(name: str) -> None:
    if not name.startswith("model:"):
        assert read(written(name, 64.0)).budget.max_tokens == 64


@pytest.mark.parametrize(("name", "hidden", "open_"), SHOWN_ROWS)
def test_hiding_the_thinking_is_read_and_is_no_budget(name: str, hidden: object, open_: object) -> None:
    got = read(written(name, hidden))
    assert got.include_thinking is False
    assert read(written(name, open_)).include_thinking is True
    assert (got.asked, got.budget) == (False, ThinkingBudget())


def test_detail_is_read_and_is_no_budget() -> None:
    got = read({"thinking_budget": {"detail": True, "num_waits": 1}})
    assert (got.detail, got.budget) == (True, ThinkingBudget(num_waits=1))
    assert not read({"thinking_budget": {"detail": True}}).asked
    assert not read({}).detail
    assert refused({"thinking_budget": {"detail": 1}}).field == DETAIL_ROW


OTHER = {
    "max_tokens": (CANONICAL_MAX, 300),
    "min_tokens": ("min_thinking_tokens", 20),
    "num_waits": ("thinking_n_ignore", 1),
    "nudge": ("thought_switch_tokens", ["No"]),
    "end_message": ("reasoning_budget_message", "Then:"),
    "answer_reserve_tokens": ("budget_forcing.answer_reserve_tokens", 8),
    "max_steps": ("budget_forcing.max_steps", 8),
    "suppress": ("budget_forcing.suppress", ["No"]),
    "alpha_tokens": ("budget_forcing.alpha_tokens", 8),
}
CANONICAL = {
    "max_tokens": ("thinking_budget.max_tokens", 300),
    "min_tokens": ("thinking_budget.min_tokens", 20),
    "num_waits": ("thinking_budget.num_waits", 1),
    "nudge": ("thinking_budget.nudge", ["No"]),
    "end_message": ("thinking_budget.end_message", "Then:"),
    "answer_reserve_tokens": ("thinking_budget.answer_reserve_tokens", 8),
    "max_steps": ("thinking_budget.max_steps", 8),
    "suppress": ("thinking_budget.suppress", ["No"]),
    "alpha_tokens": ("thinking_budget.alpha_tokens", 8),
}


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        row[:3]
        for row in ROWS
        # An effort or a switch is not the same quantity; on_loop and on_max have two values only.
        if (row[2] != "max_tokens" or row[0] in MAXIMA) and row[2] not in ("breaks_loops", "truncates")
    ],
)
def test_a_spelling_beside_a_disagreeing_one_is_refused_and_both_are_named(
    name: str, value: object, field: str
) -> None:
    pool = CANONICAL if name.split(".")[0] != "thinking_budget" else OTHER
    other, disagreeing = pool[field]
    if name == other:
        other, disagreeing = CANONICAL[field]
    error = refused(merged(written(other, disagreeing), written(name, value)))
    assert error.field in (name, other)
    for said in (name, other):
        assert said in str(error)


def test_two_words_on_loops_that_disagree_are_refused_and_both_are_named() -> None:
    error = refused({"thinking_budget": {"on_loop": "close"}, "budget_forcing": {"on_loop": "ignore"}})
    assert "thinking_budget.on_loop" in str(error)
    assert "budget_forcing.on_loop" in str(error)


@pytest.mark.parametrize(
    ("name", "value"),
    [(row.name, "high") for row in EFFORT.spellings if row.name != "reasoning_effort"],
)
def test_two_efforts_that_disagree_are_refused_and_both_are_named(name: str, value: str) -> None:
    error = refused(merged({"reasoning_effort": "low"}, written(name, value)))
    assert name in str(error)
    assert "reasoning_effort" in str(error)


@pytest.mark.parametrize("name", [row.name for row in ENABLED.spellings if row.name != "enable_thinking"])
def test_two_switches_that_disagree_are_refused_and_both_are_named(name: str) -> None:
    off = "disabled" if name == "thinking.type" else False
    error = refused(merged({"enable_thinking": True}, written(name, off)))
    assert name in str(error)
    assert "enable_thinking" in str(error)
    assert read(merged({"enable_thinking": False}, written(name, off))).thinking_enabled is False


def test_two_spellings_that_agree_are_fine() -> None:
    body: Json = {"thinking_budget": {"max_tokens": 400, "nudge": "Wait"}, "max_thinking_tokens": 400}
    body |= {"model": "s1-nano:think=400", "thought_switch_tokens": ["Wait"]}
    got = read(body)
    assert got.budget == ThinkingBudget(max_tokens=400, nudge=("Wait",))
    assert got.source == "thinking_budget.max_tokens"


def test_every_row_of_the_table_has_a_row_here() -> None:
    rows = {row[0] for row in (*ROWS, *GRACE_ROWS, *SHOWN_ROWS)} | {DETAIL_ROW} | TOLD_ROWS
    assert {row.name for row in SPELLINGS} == rows


ISSUE_LIST = """
    thinking_budget thinking_budget.max_tokens thinking_budget.min_tokens thinking_budget.num_waits
    thinking_budget.nudge thinking_budget.end_message thinking_budget.answer_reserve_tokens
    thinking_token_budget max_thinking_tokens min_thinking_tokens thinking.budget_tokens reasoning.max_tokens
    reasoning.effort reasoning_effort enable_thinking chat_template_kwargs.enable_thinking
    chat_template_kwargs.thinking_budget chat_template_kwargs.thinking_token_budget
    google.thinking_config.thinking_budget google.thinking_config.include_thoughts
    extra_body.google.thinking_config.thinking_budget nvext.max_thinking_tokens custom_params.thinking_budget
    model:think model:waits"""
PEERS_LIST = """thinking_budget_tokens reasoning_budget_tokens reasoning_max_tokens reasoning_budget_message
    thinking.type reasoning.enabled reasoning.exclude include_reasoning think think_stop_sentence
    thought_switch_tokens budget_forcing.min_tokens budget_forcing.max_tokens budget_forcing.num_waits
    budget_forcing.wait_string budget_forcing.end_message budget_forcing.answer_reserve_tokens model:min"""


@pytest.mark.parametrize("name", [*ISSUE_LIST.split(), *PEERS_LIST.split()])
def test_every_field_that_the_issue_and_the_peers_name_is_in_the_table(name: str) -> None:
    assert name in dict(describe_spellings())


def test_the_description_has_each_spelling_once_with_a_meaning() -> None:
    described = describe_spellings()
    assert [name for name, _ in described] == list(dict.fromkeys(row.name for row in SPELLINGS))
    assert all(meaning for _, meaning in described)
    assert "effort" in dict(described)["think"]
    assert "on or off" in dict(described)["think"]


@pytest.mark.parametrize("name", [row.name for row in SPELLINGS if row.name[:6] != "model:"])
def test_a_null_says_nothing_but_inside_our_own_objects(name: str) -> None:
    body = written(name, None)
    if "." in name and name.split(".")[0] in ("thinking_budget", "budget_forcing"):
        assert refused(body).field == name
        return
    got = read({"model": "m", **body})
    assert (got.asked, got.budget, got.thinking_enabled, got.include_thinking) == (
        False,
        ThinkingBudget(),
        None,
        None,
    )
    assert got.body == {"model": "m"}
