"""What a report counts: what came out, and no more than that."""

from server.budget.running.controller import Kind
from server.budget.running.report import Ledger, ThinkingReport
from server.budget.running.tracker import Follower
from tests.server.budget.plans import CUE, END, NUDGE, plan


def fed(*tokens: int, **changes: object) -> Follower:
    """A follower that has seen these tokens."""
    follower = Follower(plan(**changes))
    for token in tokens:
        follower.feed(token)
    return follower


def test_forced_tokens_that_never_came_out_are_not_counted() -> None:
    """The engine may be a step ahead of the token at which a request was stopped."""
    follower = fed(1, *NUDGE, 2, num_waits=3)
    ledger = Ledger({1: Kind.NUDGE, 3: Kind.NUDGE}, waits_at=(1, 3))
    report = ThinkingReport.of(follower, ledger)
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
