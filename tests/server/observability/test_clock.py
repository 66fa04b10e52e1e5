"""When a choice's tokens came, by a clock set by hand; what is an answer; what the gauges hold."""

from collections.abc import Sequence
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from server.budget.plan import UNGOVERNED, Opening, Plan
from server.budget.running.tracker import ThinkingTracker
from server.observability.clock import ChoiceClock
from server.observability.metrics import Metrics
from server.observability.record import Times
from tests.server.budget.plans import CUE, END, START, STOP, plan
from tests.server.observability.choices import Clock

BLANK = 6
MODEL = {"model": "m", "family": "f"}


class Run:
    """One choice, fed a token a second, the first of them one second after it arrived."""

    def __init__(self, given: Plan) -> None:
        self.registry = CollectorRegistry()
        self.clock = Clock()
        self.tracker = ThinkingTracker(given)
        flight = Metrics(self.registry).flight("m", "f")
        self.progress = ChoiceClock(
            self.tracker, flight, self.clock, self.clock(), lambda token: token == BLANK, (STOP,)
        )

    def feed(self, tokens: Sequence[int]) -> None:
        for token in tokens:
            self.clock.now += 1
            free = self.tracker.is_free
            self.tracker.feed(token)
            self.progress.came(token, free)

    def end(self) -> Times:
        self.progress.settle()
        return self.progress.times()

    def gauge(self, name: str) -> float | None:
        return self.registry.get_sample_value(name, MODEL)


def run(*tokens: int, **changes: Any) -> Run:
    it = Run(plan(**changes))
    it.feed(tokens)
    return it


def test_thinking_lasts_from_its_first_token_to_its_delimiter() -> None:
    times = run(1, 2, 3, END, 4, STOP).end()
    assert times == Times(first_token_s=1, first_answer_token_s=5, thinking_s=3, total_s=6)


def test_answer_begins_behind_the_delimiter_with_the_cue_that_the_client_sees() -> None:
    times = run(1, 2, END, *CUE, 4, max_tokens=2).end()
    assert (times.first_answer_token_s, times.thinking_s) == (4, 2)


def test_thinking_that_never_closed_lasts_to_the_end() -> None:
    it = run(1, 2, 3)
    it.clock.now += 10
    assert it.end() == Times(first_token_s=1, first_answer_token_s=None, thinking_s=12, total_s=13)


def test_choice_without_thinking_answers_with_its_first_token() -> None:
    never_opened = run(1, 2, STOP, opening=Opening.AWAIT).end()
    assert (never_opened.first_answer_token_s, never_opened.thinking_s) == (1, 0)
    skipped = run(END, *CUE, 4, max_tokens=0).end()
    assert (skipped.first_answer_token_s, skipped.thinking_s) == (2, 0)


@pytest.mark.parametrize("before", [(), (3,)])
def test_what_comes_before_thinking_opens_is_no_answer(before: tuple[int, ...]) -> None:
    it = run(*before, START, 1, 2, opening=Opening.AWAIT)
    assert (it.end().first_answer_token_s, it.progress.shows_answer) == (None, False)


def test_choice_that_never_ran_has_no_times_but_its_length() -> None:
    it = run()
    it.clock.now += 2
    assert it.end() == Times(None, None, 0, 2)


@pytest.mark.parametrize(
    ("tokens", "changes", "shows"),
    [
        ((1, END, 4), {}, True),
        ((1, END, BLANK, STOP), {}, False),  # spaces and the end of the turn
        ((1, END, STOP), {}, False),
        ((1, 2), {}, False),  # it never got to an answer
        ((1, END, *CUE, STOP), {"max_tokens": 1}, False),  # the cue is ours
        ((1, END, *CUE, 4), {"max_tokens": 1}, True),
        ((4, STOP), {"opening": Opening.AWAIT}, True),
        ((START, 1, END, STOP), {"opening": Opening.AWAIT}, False),
        ((4,), {"opening": Opening.CLOSED}, True),
    ],
    ids=str,
)
def test_answer_shows_something_of_the_models_own(
    tokens: tuple[int, ...], changes: dict[str, Any], shows: bool
) -> None:
    assert run(*tokens, **changes).progress.shows_answer is shows


def test_choice_that_no_budget_can_hold_on_is_all_answer() -> None:
    it = Run(UNGOVERNED)
    it.feed((1, END, 2, STOP))
    assert it.end() == Times(1, 1, 0, 4)
    assert it.progress.shows_answer
    assert (it.tracker.tokens, it.tracker.position) == (0, 4)


def test_gauges_count_a_choice_only_while_it_thinks() -> None:
    it = run(max_tokens=5)
    assert it.gauge("s1_requests_thinking") == 0
    it.feed((1, 2))
    assert it.gauge("s1_requests_thinking") == 1
    assert it.gauge("s1_in_flight_thinking_tokens") == 2
    assert it.gauge("s1_in_flight_budget_tokens") == 5
    it.feed((END,))
    assert it.gauge("s1_requests_thinking") == 0
    assert it.gauge("s1_in_flight_thinking_tokens") == 0
    assert it.gauge("s1_in_flight_budget_tokens") == 0


def test_budget_in_flight_is_bounded_by_the_context() -> None:
    assert run(1, room=50, close_at=30).gauge("s1_in_flight_budget_tokens") == 30
    assert run(1, room=50, close_at=30, max_tokens=45).gauge("s1_in_flight_budget_tokens") == 30


def test_choice_cut_off_while_it_thinks_leaves_the_gauges_at_zero() -> None:
    it = run(1, 2)
    it.end()
    assert it.gauge("s1_requests_thinking") == 0
    assert it.gauge("s1_in_flight_thinking_tokens") == 0
