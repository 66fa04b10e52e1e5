"""What a report counts: what came out, and no more than that."""

from typing import Any

from server.budget.plan import Opening
from server.budget.running.action import ForcedKind
from server.budget.running.report import ForcedRecord, ThinkingReport
from server.budget.running.tracker import ThinkingTracker
from server.reasoning.ends import End
from tests.server.budget.plans import CUE, END, NUDGE, START, plan


def fed(*tokens: int, **changes: object) -> ThinkingTracker:
    """A tracker that has seen these tokens."""
    tracker = ThinkingTracker(plan(**changes))
    for token in tokens:
        tracker.feed(token)
    return tracker


def test_forced_tokens_that_never_came_out_are_not_counted() -> None:
    """The engine may be a step ahead of the token at which a request was stopped."""
    tracker = fed(1, *NUDGE, 2, num_waits=3)
    record = ForcedRecord({1: ForcedKind.NUDGE, 3: ForcedKind.NUDGE}, waits_at=(1, 3))
    report = ThinkingReport.of(tracker, record)
    assert (report.waits_used, report.forced_tokens, report.tokens) == (1, 1, 3)


def test_answer_is_the_models_own_only_behind_a_forced_cue() -> None:
    closed = fed(1, END, max_tokens=1)
    assert not closed.is_free
    closed.feed(CUE[0])
    assert not closed.is_free
    closed.feed(CUE[1])
    assert closed.is_free


def test_answer_is_the_models_own_right_behind_a_natural_end() -> None:
    assert fed(1, END).is_free
    assert not fed(1).is_free


def test_end_of_turn_that_became_the_delimiter_has_an_end_of_its_own() -> None:
    tracker = fed(1, END, 2)
    assert ThinkingReport.of(tracker, ForcedRecord({1: ForcedKind.END}, end=End.END_OF_SEQUENCE)).end == (
        "end_of_sequence"
    )
    assert ThinkingReport.of(tracker, ForcedRecord(end=End.NATURAL)).end == "natural"


def test_thinking_that_is_off_has_one_end_whatever_kept_it_from_beginning() -> None:
    for opening, tokens in ((Opening.CLOSED, ()), (Opening.OPEN, (END, *CUE)), (Opening.FORCE, (START, END))):
        tracker = fed(*tokens, opening=opening, max_tokens=0, is_off=True)
        assert ThinkingReport.of(tracker, ForcedRecord()).end == "off", opening
    assert ThinkingReport.of(fed(opening=Opening.OPEN, max_tokens=0, is_off=True), ForcedRecord()).end is None
    piece = fed(END, *CUE, max_tokens=0)  # it closes a chain that has thought
    assert ThinkingReport.of(piece, ForcedRecord()).end == "max_tokens"


def test_request_that_ends_before_its_thinking_is_closed_has_no_answer_though_it_is_off() -> None:
    tracker = fed(opening=Opening.OPEN, max_tokens=0, is_off=True)
    tracker.finish(End.LENGTH)
    assert ThinkingReport.of(tracker, ForcedRecord()).end == "length"


def test_thinking_that_the_prompt_leaves_out_is_told_where_a_maximum_allowed_some() -> None:
    def told(**changes: Any) -> object:
        return ThinkingReport.of(fed(1, **changes), ForcedRecord()).to_json().get("left_out")

    assert told(opening=Opening.CLOSED, max_tokens=9) is True
    assert told(opening=Opening.CLOSED, max_tokens=0) is told(opening=Opening.CLOSED) is None
    assert told(opening=Opening.AWAIT, max_tokens=9) is told(opening=Opening.OPEN, max_tokens=9) is None
