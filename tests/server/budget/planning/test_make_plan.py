"""How a budget becomes a plan: what fits, what opens thinking, what a request's surroundings change."""

from dataclasses import replace
from typing import Any

import pytest

from server.budget.budget import BudgetError, ThinkingBudget
from server.budget.plan import FamilyTokens, Habit, Opening, Plan
from server.budget.planning.make_plan import PlanContext, make_plan
from server.budget.planning.vocabulary import Vocabulary
from server.reasoning.families import FAMILIES

TURN_END, OPEN, CLOSE, CUE = 90, 91, 92, (70, 71, 72)
TOKENS = FamilyTokens(
    family=FAMILIES["think"],
    start=(OPEN,),
    end=(CLOSE,),
    end_is_distinct=True,
    end_of_turn=(TURN_END,),
    tool_call=(93,),
)
TEXTS = {
    FAMILIES["think"].cue: CUE,
    "Wait": (60,),
    "Hmm, wait": (61, 62),
    "\n": (3,),
    "Stop.": (63,),
    "</think>": (92,),
    "3 left": (81, 82),
    "2 left": (81, 84),
    "1 left": (81, 83),
}

VOCABULARY = ["Wait", ".", "3", "</think>"]

NOTHING_ASKED = ThinkingBudget()


def encode(text: str) -> tuple[int, ...]:
    """The token ids of the texts that these tests know."""
    return TEXTS.get(text, ())


def planned(budget: ThinkingBudget = NOTHING_ASKED, tokens: FamilyTokens = TOKENS, **context: Any) -> Plan:
    """For a prompt of ten tokens that opens thinking, in a window of 2,000."""
    given: dict[str, Any] = {"prompt": [1] * 9 + [OPEN], "max_model_len": 2000, **context}
    return make_plan(budget, tokens, encode, PlanContext(**given), Vocabulary(lambda: VOCABULARY))


def test_room_is_what_window_and_request_leave() -> None:
    assert planned().room == 1990
    assert planned(max_completion_tokens=500).room == 500


def test_answer_keeps_256_tokens_by_default() -> None:
    plan = planned()
    assert plan.answer_reserve_tokens == 256
    assert plan.close_at + len(plan.end) + len(plan.cue) + 256 == plan.room


def test_answer_keeps_half_of_little_room() -> None:
    plan = planned(max_completion_tokens=104)
    assert (plan.answer_reserve_tokens, plan.close_at) == (50, 50)


def test_reserve_that_does_not_fit_is_refused_by_name() -> None:
    with pytest.raises(BudgetError, match="leave 96 tokens") as caught:
        planned(ThinkingBudget(answer_reserve_tokens=97), max_completion_tokens=100)
    assert caught.value.field == "thinking_budget.answer_reserve_tokens"
    assert planned(ThinkingBudget(answer_reserve_tokens=96), max_completion_tokens=100).close_at == 0


def test_start_mark_that_is_forced_takes_nothing_of_the_reserve_nor_of_the_room_behind_a_cue() -> None:
    tokens, prompt = replace(TOKENS, start=(OPEN, 5)), [1] * 10
    asked = ThinkingBudget(max_tokens=0, answer_reserve_tokens=94)
    plan = planned(asked, tokens, prompt=prompt, max_completion_tokens=100)
    assert (plan.opening, plan.close_at) == (Opening.FORCE, 2)
    with pytest.raises(BudgetError) as caught:
        planned(replace(asked, answer_reserve_tokens=95), tokens, prompt=prompt, max_completion_tokens=100)
    assert caught.value.field == "thinking_budget.answer_reserve_tokens"
    cue = replace(asked, answer_reserve_tokens=None, end_message="Hmm, wait")
    least = 2 + len(plan.end) + len(encode("Hmm, wait"))
    assert planned(cue, tokens, prompt=prompt, max_completion_tokens=least + 1).cue == encode("Hmm, wait")
    with pytest.raises(BudgetError, match="end_message is"):
        planned(cue, tokens, prompt=prompt, max_completion_tokens=least)


def test_budget_does_not_depend_on_anything_but_its_own_request() -> None:
    assert planned(ThinkingBudget(max_tokens=5)) == planned(ThinkingBudget(max_tokens=5))


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ([1, TURN_END, 2, OPEN, 3], Opening.OPEN),
        ([1, TURN_END, 2, OPEN, 3, CLOSE, 3], Opening.CLOSED),
        ([1, TURN_END, 2], Opening.AWAIT),
        ([OPEN, 5, TURN_END, 2], Opening.AWAIT),
        ([OPEN, 5, CLOSE, TURN_END, 2], Opening.AWAIT),
        ([1, CLOSE, TURN_END, OPEN], Opening.OPEN),
        ([], Opening.AWAIT),
    ],
)
def test_opening_is_read_off_the_last_turn(prompt: list[int], expected: Opening) -> None:
    assert planned(prompt=prompt).opening is expected


@pytest.mark.parametrize(
    "budget", [ThinkingBudget(num_waits=1), ThinkingBudget(min_tokens=5), ThinkingBudget(max_tokens=0)]
)
def test_budget_that_needs_thinking_opens_it(budget: ThinkingBudget) -> None:
    assert planned(budget, prompt=[1]).opening is Opening.FORCE
    assert planned(budget, prompt=[1], asked=False).opening is Opening.AWAIT


def test_family_that_always_thinks_opens_it() -> None:
    assert planned(tokens=replace(TOKENS, family=FAMILIES["s1"]), prompt=[1]).opening is Opening.FORCE


def test_cue_is_the_requests_or_the_familys() -> None:
    assert planned().cue == CUE
    assert planned(ThinkingBudget(end_message="Stop.")).cue == (63,)
    assert planned(ThinkingBudget(end_message="")).cue == ()


def test_no_cue_stands_in_front_of_a_tool_call_or_a_structured_answer() -> None:
    assert planned(has_tools=True).cue == ()
    assert planned(has_structure=True).cue == ()
    with pytest.raises(BudgetError, match="structured answer"):
        planned(ThinkingBudget(end_message="Stop."), has_structure=True)


def test_tool_marks_are_watched_only_where_tools_are_offered() -> None:
    assert planned().tool_call == ()
    assert planned(has_tools=True).tool_call == (93,)


def test_nudge_is_the_familys_or_the_requests_in_tokens() -> None:
    assert planned().nudges == ((60,),)
    assert planned(ThinkingBudget(nudge=("Hmm, wait", "Wait"))).nudges == ((61, 62), (60,))


@pytest.mark.parametrize("nudge", ["</think>", "no such text"])
def test_nudge_that_cannot_be_appended_is_refused(nudge: str) -> None:
    with pytest.raises(BudgetError) as caught:
        planned(ThinkingBudget(nudge=(nudge,)))
    assert caught.value.field == "thinking_budget.nudge"


def test_nothing_asked_is_unlimited_without_waits() -> None:
    plan = planned()
    assert (plan.max_tokens, plan.min_tokens, plan.num_waits) == (-1, 0, 0)


def test_steering_is_part_of_the_plan() -> None:
    plan = planned(ThinkingBudget(max_tokens=500, grace_tokens=100, suppress=("wait",)))
    assert (plan.steering.land_from, plan.steering.suppressed) == (400, (0,))


COUNTING = replace(TOKENS, family=replace(FAMILIES["s1"], step_mark="{steps} left"), end=(81, 0))


def test_counted_steps_open_thinking_and_make_the_delimiter_known_by_its_end() -> None:
    plan = planned(ThinkingBudget(max_steps=3), tokens=COUNTING, prompt=[1])
    assert (plan.opening, plan.start, plan.end_is_distinct) == (Opening.FORCE, (81, 82), False)
    assert plan.steering.step_marks == ((81, 83), (81, 84))


@pytest.mark.parametrize(
    "pushing", [ThinkingBudget(num_waits=2), ThinkingBudget(min_tokens=2), ThinkingBudget(alpha_tokens=2)]
)
def test_counted_steps_and_what_pushes_thinking_on_are_refused(pushing: ThinkingBudget) -> None:
    with pytest.raises(BudgetError, match="cannot be combined with") as caught:
        planned(replace(pushing, max_steps=3), tokens=COUNTING, prompt=[1])
    assert caught.value.field == "thinking_budget.max_steps"


def test_steps_are_counted_only_by_a_family_that_marks_them_and_from_the_beginning() -> None:
    with pytest.raises(BudgetError, match="family think"):
        planned(ThinkingBudget(max_steps=3), prompt=[1])
    with pytest.raises(BudgetError, match="not opened"):
        planned(ThinkingBudget(max_steps=3), tokens=COUNTING)


@pytest.mark.parametrize("changes", [{"end_is_distinct": False}, {"end": (CLOSE, 0)}])
def test_steps_need_a_mark_that_is_the_delimiters_and_a_token_of_its_own(changes: dict[str, Any]) -> None:
    with pytest.raises(BudgetError, match="no single token for the step mark"):
        planned(ThinkingBudget(max_steps=3), tokens=replace(COUNTING, **changes), prompt=[1])


def test_counted_steps_open_thinking_where_a_model_may_leave_it_out() -> None:
    free = replace(COUNTING, family=replace(COUNTING.family, always_opens=False))
    assert planned(ThinkingBudget(max_steps=3), tokens=free, prompt=[1]).opening is Opening.FORCE


def test_words_of_a_delimiter_are_left_to_it_only_where_it_is_made_of_words() -> None:
    text_delimiter = replace(TOKENS, end=(3, 0), end_is_distinct=False)
    with pytest.raises(BudgetError, match="could never end"):
        planned(ThinkingBudget(suppress=("wait",)), tokens=text_delimiter)
    assert planned(
        ThinkingBudget(suppress=("wait",)), tokens=replace(TOKENS, end=(CLOSE, 0))
    ).steering.suppressed


@pytest.mark.parametrize(
    ("habit", "asked", "is_chat", "opening"),
    [
        (Habit.ALWAYS, False, True, Opening.FORCE),
        (Habit.WHEN_TOLD, False, True, Opening.CLOSED),
        (Habit.WHEN_TOLD, True, True, Opening.FORCE),
        (Habit.NEVER, True, True, Opening.CLOSED),
        (Habit.ALWAYS, True, False, Opening.CLOSED),
    ],
)
def test_a_grammar_waits_for_no_mark_that_may_never_come(
    habit: Habit, asked: bool, is_chat: bool, opening: Opening
) -> None:
    tokens = replace(TOKENS, habit=habit)
    budget = ThinkingBudget(max_tokens=9) if asked else NOTHING_ASKED
    around = {"prompt": [1], "asked": asked, "is_chat": is_chat}
    assert planned(budget, tokens, **around, has_structure=True).opening is opening
    assert planned(budget, tokens, **around).opening is Opening.AWAIT


MARKED = {
    "so </think>": (5, CLOSE),
    "<think>": (OPEN,),
    "a <|im_end|>": (5,),
    "<tool_call>{": (93, 5),
    "odd": (5, TURN_END),
}


@pytest.mark.parametrize("message", MARKED)
def test_cue_with_a_mark_in_it_is_refused_as_text_and_as_tokens(
    message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text, ids in MARKED.items():
        monkeypatch.setitem(TEXTS, text, ids)
    with pytest.raises(BudgetError) as caught:
        planned(ThinkingBudget(end_message=message))
    assert caught.value.field == "thinking_budget.end_message"


def test_cue_behind_which_no_answer_fits_is_refused_and_the_familys_own_is_left_out() -> None:
    assert planned(ThinkingBudget(end_message="3 left"), max_completion_tokens=4).cue == (81, 82)
    with pytest.raises(BudgetError, match="end_message is 2 tokens"):
        planned(ThinkingBudget(end_message="3 left"), max_completion_tokens=3)
    short = planned(max_completion_tokens=4)
    assert (short.cue, short.answer_reserve_tokens, short.close_at) == ((), 1, 2)
    assert planned(max_completion_tokens=5).cue == CUE


def test_cue_needs_no_room_where_thinking_is_over() -> None:
    budget = ThinkingBudget(end_message="3 left")
    assert planned(budget, prompt=[OPEN, CLOSE], max_completion_tokens=2).opening is Opening.CLOSED


@pytest.mark.parametrize("budget", [ThinkingBudget(num_waits=2), ThinkingBudget(min_tokens=30)])
def test_more_thinking_behind_a_closed_one_is_refused_to_a_client_and_not_claimed_for_a_server(
    budget: ThinkingBudget,
) -> None:
    field = "thinking_token_budget"
    with pytest.raises(BudgetError) as caught:
        planned(budget, prompt=[OPEN, CLOSE], insists=field)
    assert caught.value.field == field
    defaults = planned(budget, prompt=[OPEN, CLOSE])
    assert (defaults.num_waits, defaults.min_tokens) == (0, 0)


def test_prompt_that_ends_inside_an_answer_is_not_opened_again() -> None:
    assert planned(prompt=[TURN_END, 5]).opening is Opening.AWAIT
    assert planned(ThinkingBudget(max_tokens=0), prompt=[TURN_END, 5]).opening is Opening.FORCE
    for budget in (NOTHING_ASKED, ThinkingBudget(max_tokens=0), ThinkingBudget(max_tokens=9)):
        assert planned(budget, prompt=[TURN_END, 5], continues_answer=True).opening is Opening.CLOSED
    assert planned(prompt=[TURN_END, OPEN, 5], continues_answer=True).opening is Opening.OPEN
