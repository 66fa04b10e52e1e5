"""Thinking in several blocks (gpt-oss): all of them count, none is closed for the model, and none opens again
once the budget is spent."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest

from server.budget.plan import Opening, Plan
from server.budget.running.action import ForcedKind
from server.budget.running.controller import Controller
from server.budget.running.tracker import ThinkingTracker
from server.reasoning.ends import End
from tests.server.budget.driving import drive, says
from tests.server.budget.plans import STOP, plan

CHANNEL, ANALYSIS, FINAL, COMMENTARY, MESSAGE, HEADER, END = 10, 4, 5, 6, 15, 14, 11
OPENS = (CHANNEL, ANALYSIS, MESSAGE)
ANSWERS = (HEADER, CHANNEL, FINAL, MESSAGE)
CALLS = (HEADER, CHANNEL, COMMENTARY, MESSAGE)


def harmony(**changes: Any) -> Plan:
    given: dict[str, Any] = {
        "opening": Opening.AWAIT,
        "start": OPENS,
        "end": (END,),
        "transition": ANSWERS,
        "reopens": True,
        "forks_at": 1,
        "cue": (),
    }
    return plan(**{**given, **changes})


def driven(of: Plan, tokens: Sequence[int]) -> tuple[list[int], Controller]:
    """The output, of which the tracker must have read what the controller did."""
    out, controller = drive(of, says(tokens))
    tracker = ThinkingTracker(of)
    for token in out:
        tracker.feed(token)
    assert (tracker.tokens, tracker.end) == (controller.tokens, controller.end)
    return out, controller


def test_the_models_own_end_is_left_alone() -> None:
    said = [*OPENS, 1, 2, END, *CALLS, 3, STOP]
    out, controller = driven(harmony(), said)
    assert (out, controller.forced) == (said, {})
    assert (controller.tokens, controller.end) == (2, End.NATURAL)


def test_every_block_counts() -> None:
    said = [*OPENS, 1, 2, END, HEADER, *OPENS, 3, 3, 3, END, *ANSWERS, 1, STOP]
    out, controller = driven(harmony(), said)
    assert (out, controller.tokens, controller.end) == (said, 5, End.NATURAL)


def test_a_block_after_a_call_counts_as_well() -> None:
    said = [*CALLS, 1, 1, 1, 1, 1, 1, 1, 1, 1, END, HEADER, *OPENS, 3, END, *ANSWERS, 1, STOP]
    out, controller = driven(harmony(), said)
    assert (out, controller.tokens) == (said, 1)


@pytest.mark.parametrize("before", range(6, 13))
def test_a_block_counts_wherever_it_begins(before: int) -> None:
    """Also where it has just begun when it is settled that the model does not think at once."""
    said = [*[1] * before, *OPENS, 3, 3, END, *ANSWERS, 1, STOP]
    out, controller = driven(harmony(), said)
    assert (out, controller.tokens) == (said, 2)


def test_a_forced_close_writes_the_way_to_the_answer() -> None:
    out, controller = driven(harmony(max_tokens=3), [*OPENS, *[1] * 9])
    assert out[:11] == [*OPENS, 1, 1, 1, END, *ANSWERS]
    assert (controller.tokens, controller.end) == (3, End.MAX_TOKENS)
    assert {controller.forced[at] for at in range(6, 11)} == {ForcedKind.END}


def test_the_maximum_holds_over_all_blocks() -> None:
    said = [*OPENS, 1, 2, END, HEADER, *OPENS, *[3] * 9]
    out, controller = driven(harmony(max_tokens=4), said)
    assert out[:16] == [*OPENS, 1, 2, END, HEADER, *OPENS, 3, 3, END, *ANSWERS][:16]
    assert (controller.tokens, controller.end) == (4, End.MAX_TOKENS)


@pytest.mark.parametrize("transition", [ANSWERS, ()])
def test_no_block_opens_once_the_budget_is_spent(transition: tuple[int, ...]) -> None:
    again = [HEADER, *OPENS, 3, 3, STOP]
    out, controller = driven(harmony(max_tokens=2, transition=transition), [*OPENS, 1, 1, *again])
    assert controller.tokens == 2
    assert (CHANNEL, ANALYSIS) not in list(pairwise(out[6:]))


def test_a_maximum_that_thinking_met_by_itself_is_spent_too() -> None:
    said = [*OPENS, 1, 2, END, HEADER, *OPENS, 3, STOP]
    out, controller = driven(harmony(max_tokens=2), said)
    assert controller.tokens == 2
    assert (CHANNEL, ANALYSIS) not in list(pairwise(out[6:]))


def test_the_answer_may_have_every_mark_but_that() -> None:
    _, controller = driven(harmony(max_tokens=9), [*OPENS, 1, END, *CALLS, 2, STOP])
    assert controller.next_action().forbidden == ()


def test_a_nudge_stands_in_the_place_of_any_blocks_end() -> None:
    said = [*OPENS, 1, END, 2, END, HEADER, *OPENS, 3, END, *ANSWERS, STOP]
    out, controller = driven(harmony(num_waits=1), said)
    assert out[:8] == [*OPENS, 1, 9, 2, END, HEADER]
    assert (controller.tokens, len(controller.waits_at)) == (4, 1)


def test_a_plan_travels_with_its_transition() -> None:
    assert Plan.from_wire(harmony().to_wire(), blanks=harmony().blanks) == harmony()


def test_message_that_is_cut_within_the_start_mark_has_no_answer_yet() -> None:
    tracker = ThinkingTracker(harmony())
    tracker.feed_all(OPENS[:2])
    tracker.finish(End.NATURAL)
    assert tracker.answer_at is None
