"""The tracker: what it reads off the output is what the controller did, and it asks no more than it must."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.budget.budget import NEVER, TokenIds
from server.budget.plan import Plan
from server.budget.running.action import ForcedKind, Phase
from server.budget.running.controller import Controller
from server.budget.running.report import ForcedRecord, ThinkingReport
from server.budget.running.tracker import ThinkingTracker
from server.reasoning.ends import End
from tests.examples import examples
from tests.server.budget.driving import MODELS, Model, drive, says
from tests.server.budget.plans import (
    ANY_PLAN,
    CUE,
    STOP,
    TEXT_END,
    TEXT_START,
    TWO_SPELLINGS,
    plan,
    text_plans,
)
from tests.server.budget.plans import TEXT as WRITTEN

TEXT: dict[str, Any] = {"end": (4, 5, 6), "end_is_distinct": False}

REQUESTED_AT = st.one_of(st.just(NEVER), st.integers(0, 40))


@settings(max_examples=examples(600))
@given(ANY_PLAN, MODELS, REQUESTED_AT)
def test_tracker_reads_off_the_output_what_the_controller_did(
    the_plan: Plan, model: Model, requested_at: int
) -> None:
    out, controller = drive(the_plan, model.sample, requested_at, model.is_likely)
    tracker = ThinkingTracker(the_plan)
    tracker.requested_at = requested_at
    cue_at = min((at for at, kind in controller.forced.items() if kind is ForcedKind.CUE), default=NEVER)
    for at, token in enumerate(out):
        assert tracker.phase is Phase.ANSWER or not tracker.is_free
        if tracker.phase is Phase.ANSWER:
            assert tracker.is_free == (at not in controller.forced or at < cue_at)
        tracker.feed(token)
    _agree(tracker, controller)
    report = ThinkingReport.of(tracker, ForcedRecord(end=controller.end))
    if not _is_cut_in_an_ends_place(tracker, controller):
        assert report.end == (controller.end.value if controller.end else None)


def _agree(tracker: ThinkingTracker, controller: Controller) -> None:
    """On how much was thought; what came of a delimiter that the room has cut is text like any other."""
    cut = 0
    if _is_cut_in_an_ends_place(tracker, controller):
        assert ThinkingReport.of(tracker, ForcedRecord(end=controller.end)).end is None
        cut = sum(kind is ForcedKind.END for kind in controller.forced.values())
    assert tracker.tokens == controller.tokens + cut


def _is_cut_in_an_ends_place(tracker: ThinkingTracker, controller: Controller) -> bool:
    """Whether the room ended within a delimiter that stands for an end."""
    stands_for = (End.NATURAL, End.END_OF_SEQUENCE, End.ALPHA)
    return controller.phase is Phase.FORCING and controller.end in stands_for and tracker.end is None


class AskingTracker(ThinkingTracker):
    """Asks what is due at each token, whatever the token is."""

    def _due(self, token: int, close: TokenIds) -> End | None:
        reason = self.state.due(self.position, self.requested_at)
        end = self.plan.end
        if token not in ((end[1],) if reason is End.STEPS else (close[0], *self.plan.line_break[:1])):
            return None
        return self.requested_by if reason is End.REQUESTED else reason


@settings(max_examples=examples(600))
@given(ANY_PLAN, MODELS, REQUESTED_AT, st.integers(0, 40))
def test_asking_only_at_tokens_that_can_begin_a_close_misses_nothing(
    the_plan: Plan, model: Model, requested_at: int, heard_at: int
) -> None:
    """Whenever a control request becomes known before its token."""
    out, _ = drive(the_plan, model.sample, requested_at, model.is_likely)
    trackers = ThinkingTracker(the_plan), AskingTracker(the_plan)
    for at, token in enumerate(out):
        for tracker in trackers:
            if at == min(heard_at, requested_at):
                tracker.requested_at = requested_at
            tracker.feed(token)
        one, other = (
            (it.phase, it.end, it.tokens, it.answer_at, it.is_free, it.state.steps_left) for it in trackers
        )
        assert one == other


@pytest.mark.parametrize("maximum", [2, 3])
def test_maximum_that_falls_inside_a_delimiter_put_in_an_ends_place_is_what_closes(maximum: int) -> None:
    """By the output alone it could not be told from a close that finishes what the model had begun."""
    the_plan = plan(max_tokens=maximum, **TEXT)
    out, controller = drive(the_plan, says([1, STOP, 3]))
    assert out == [1, 4, 5, 6, *CUE, 3, STOP]
    tracker = ThinkingTracker(the_plan)
    tracker.feed_all(out)
    for it in (tracker, controller):
        assert (it.end, it.tokens) == (End.MAX_TOKENS, 1)
    assert tracker.answer_at == 4
    assert drive(plan(max_tokens=4, **TEXT), says([1, STOP, 3]))[0] == [1, 4, 5, 6, 3, STOP]


@pytest.mark.parametrize(
    ("said", "maximum", "minimum", "out"),
    [
        ([1, 2, 4, 3], 3, 0, [1, 2, 4, 5, 6]),
        ([1, 4, 5, 3], 3, 0, [1, 4, 5, 6]),
        ([1, 4, 5, 3], 3, 1, [1, 4, 5, 6]),
        ([1, 4, 5, 3], 3, 2, [1, 4, 5, 4, 5, 6]),  # the minimum needs them as thinking
        ([1, 4, 2, 3], 3, 0, [1, 4, 2, 4, 5, 6]),  # no part of the delimiter after all
    ],
)
def test_maximum_finishes_a_delimiter_that_the_model_has_begun(
    said: list[int], maximum: int, minimum: int, out: list[int]
) -> None:
    the_plan = plan(max_tokens=maximum, min_tokens=minimum, **TEXT)
    got, controller = drive(the_plan, says(said))
    assert got[: len(out) + 2] == [*out, *CUE]
    tracker = ThinkingTracker(the_plan)
    tracker.feed_all(got)
    for it in (tracker, controller):
        assert (it.end, it.tokens) == (End.MAX_TOKENS, len(out) - 3)


@pytest.mark.parametrize(
    ("said", "out"),
    [
        ([0, 0, 7], [0, 0, 7, 8, 14]),
        ([0, 7, 8], [0, 7, 8, 14]),
        ([0, 0, 11], [0, 0, 11, 5, 14]),  # begins the spelling that is forced
        ([0, 8, 0], [0, 8, 0, *TEXT_END]),
    ],
    ids=lambda tokens: "".join(WRITTEN[token] for token in tokens),
)
def test_maximum_finishes_the_spelling_that_the_model_has_begun(said: list[int], out: list[int]) -> None:
    marks: dict[str, Any] = {"start": TEXT_START, "end": TEXT_END, "end_is_distinct": False}
    the_plan = plan(max_tokens=3, text=TWO_SPELLINGS, **marks)
    got, controller = drive(the_plan, says(said))
    assert got[: len(out) + 2] == [*out, *CUE]
    tracker = ThinkingTracker(the_plan)
    tracker.feed_all(got)
    for it in (tracker, controller):
        assert it.end is End.MAX_TOKENS
    assert tracker.tokens == controller.tokens
    assert tracker.delimiter_size == len("CD>" if 7 in out else "</t>")


@settings(max_examples=examples(600))
@given(text_plans(), MODELS, REQUESTED_AT)
def test_tracker_and_controller_agree_on_marks_of_text(
    the_plan: Plan, model: Model, requested_at: int
) -> None:
    out, controller = drive(the_plan, model.sample, requested_at, model.is_likely)
    tracker = ThinkingTracker(the_plan)
    tracker.requested_at = requested_at
    tracker.feed_all(out)
    _agree(tracker, controller)
    if _is_cut_in_an_ends_place(tracker, controller):
        return
    if controller.end is not None and controller.end is not End.END_OF_SEQUENCE:
        assert tracker.end is controller.end


@settings(max_examples=examples(600))
@given(ANY_PLAN, MODELS, REQUESTED_AT, st.lists(st.integers(0, 60), max_size=6))
def test_tokens_taken_in_together_say_what_they_say_one_by_one(
    the_plan: Plan, model: Model, requested_at: int, cuts: list[int]
) -> None:
    out, _ = drive(the_plan, model.sample, requested_at, model.is_likely)
    one, other = ThinkingTracker(the_plan), ThinkingTracker(the_plan)
    one.requested_at = other.requested_at = requested_at
    places = [0, *sorted({cut for cut in cuts if cut < len(out)}), len(out)]
    for began, ended in pairwise(places):
        for token in out[began:ended]:
            one.feed(token)
        other.feed_all(out[began:ended])
        assert _known(one) == _known(other)
    one.finish(End.LENGTH)
    other.finish(End.LENGTH)
    assert one.end == other.end


def _known(tracker: ThinkingTracker) -> object:
    state = tracker.state
    return (
        (tracker.phase, tracker.end, tracker.tokens, tracker.position),
        (tracker.thinking_at, tracker.answer_at, tracker.is_free, tracker.is_plain),
        (state.steps_left, state.is_at_mark, state.in_grace),
        state.due(tracker.position, tracker.requested_at) if tracker.phase is Phase.THINKING else None,
    )


def test_delimiter_of_several_tokens_that_another_one_interrupts_is_none() -> None:
    tracker = ThinkingTracker(plan(**TEXT))
    tracker.feed_all([4, 1, 5, 6])
    assert (tracker.phase, tracker.tokens) == (Phase.THINKING, 4)
    tracker.feed_all([4, 5, 6, 1])
    assert (tracker.phase, tracker.tokens, tracker.answer_at) == (Phase.ANSWER, 4, 7)
