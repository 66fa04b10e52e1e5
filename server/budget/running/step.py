"""A step: a piece of thinking that is asked for by itself, and where it ends."""

from dataclasses import dataclass

from server.budget.running.tracker import ThinkingTracker


@dataclass(frozen=True, slots=True)
class Step:
    """Ends with thinking itself; else behind one of `stops`, once `min_tokens` stand; else with `max_tokens`;
    else where only `reserve` tokens are left of what the request may generate."""

    stops: tuple[str, ...] = ()
    min_tokens: int = 0
    max_tokens: int | None = None
    reserve: int = 0

    def is_over(self, tracker: ThinkingTracker, text: str) -> bool:
        """`text`: what came out so far, up to the last token."""
        if tracker.answer_at is not None or self.is_cramped(tracker):
            return True
        if self.max_tokens is not None and tracker.tokens >= self.max_tokens:
            return True
        return bool(self.stops) and tracker.tokens >= self.min_tokens and text.endswith(self.stops)

    def is_cramped(self, tracker: ThinkingTracker) -> bool:
        """Whether the reserve has been reached."""
        return tracker.position + self.reserve >= tracker.plan.room
