"""Times one choice while it runs: when its tokens came out, whether its answer is visible, its gauges."""

from collections.abc import Callable, Collection

from server.budget.running.action import Phase
from server.budget.running.tracker import ThinkingTracker
from server.observability.metrics import Flight
from server.observability.record import Times

Clock = Callable[[], float]
"""Seconds, monotonic."""


class ChoiceClock:
    """Call `came` for each token after the tracker's `feed`, and `settle` when no more will come.

    Where `is_plain`, several tokens may be fed at once, with `feed_plain`, and `came_plain` called after
    them: their times are nobody's.
    """

    __slots__ = (
        "_answer_at",
        "_arrived",
        "_clock",
        "_closed_at",
        "_end_of_turn",
        "_first_at",
        "_flight",
        "_is_blank",
        "_opened",
        "_settled_at",
        "_thinking_at",
        "shows_answer",
        "tracker",
    )

    def __init__(
        self,
        tracker: ThinkingTracker,
        flight: Flight,
        clock: Clock,
        arrived: float,
        is_blank: Callable[[int], bool],
        end_of_turn: Collection[int],
    ) -> None:
        self.tracker = tracker
        self.shows_answer = False
        """Whether the model's own answer has a visible token."""
        self._flight = flight
        self._clock = clock
        self._arrived = arrived
        self._is_blank = is_blank
        self._end_of_turn = frozenset(end_of_turn)
        self._opened = tracker.phase is Phase.THINKING
        self._first_at: float | None = None
        self._thinking_at: float | None = None
        self._closed_at: float | None = None
        self._answer_at: float | None = None
        self._settled_at: float | None = None

    def came(self, token: int, is_free: bool) -> None:
        """A token came out. `is_free`: the tracker's before it was fed: the model chose it in the answer."""
        tracker, now = self.tracker, self._clock()
        if self._first_at is None:
            self._first_at = now
        if tracker.phase is Phase.THINKING:
            self._think(now)
            return
        if self._thinking_at is not None and self._closed_at is None:
            self._closed_at = now
            self._flight.land()
        if self.shows_answer or token in self._end_of_turn:
            return
        begun = tracker.answer_at is not None and tracker.position > tracker.answer_at
        if not begun and self._opened:
            return  # a mark
        if self._answer_at is None:
            self._answer_at = now
        self.shows_answer = (is_free or not self._opened) and not self._is_blank(token)

    @property
    def is_plain(self) -> bool:
        """Whether nothing is left to be timed before the next mark."""
        if self.tracker.phase is Phase.THINKING:
            return self._thinking_at is not None
        return self.shows_answer

    def came_plain(self) -> None:
        """Plain tokens came out."""
        tracker = self.tracker
        if tracker.phase is Phase.THINKING:
            self._flight.think(tracker.tokens, tracker.plan.max_thinking_tokens)

    def settle(self) -> None:
        """The choice is over. It may be called again, to no effect."""
        self._flight.land()
        if self._settled_at is None:
            self._settled_at = self._clock()

    def times(self) -> Times:
        """The times of a choice that is over, in seconds; `settle` it first."""
        assert self._settled_at is not None
        closed_at = self._settled_at if self._closed_at is None else self._closed_at
        return Times(
            first_token_s=self._since_arrival(self._first_at),
            first_answer_token_s=self._since_arrival(self._answer_at),
            thinking_s=0.0 if self._thinking_at is None else closed_at - self._thinking_at,
            total_s=self._settled_at - self._arrived,
        )

    def _think(self, now: float) -> None:
        tracker = self.tracker
        if not self._opened:  # what came before was a mark, and no answer
            self._opened, self._answer_at, self.shows_answer = True, None, False
        if tracker.tokens and self._thinking_at is None:
            self._thinking_at = now
        if self._thinking_at is not None:
            self._flight.think(tracker.tokens, tracker.plan.max_thinking_tokens)

    def _since_arrival(self, at: float | None) -> float | None:
        return None if at is None else at - self._arrived
