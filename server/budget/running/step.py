"""A step: a piece of thinking that is requested by itself, and where it ends."""

from dataclasses import dataclass

from server.budget.running.tracker import ThinkingTracker


@dataclass(frozen=True, slots=True)
class Step:
    """Where a step ends; counts in thinking tokens, `reserve` in output tokens.

    It ends with thinking itself; else after one of `stops`, from `min_tokens` on; else at `max_tokens`; else
    where only `reserve` tokens are left of those that the request may generate.
    """

    stops: tuple[str, ...] = ()
    min_tokens: int = 0
    max_tokens: int | None = None
    reserve: int = 0

    def is_over(self, tracker: ThinkingTracker, text: str) -> bool:
        """Whether the step ends with the last token; `text` is the output up to it."""
        if tracker.answer_at is not None or self.is_cramped(tracker):
            return True
        if self.max_tokens is not None and tracker.tokens >= self.max_tokens:
            return True
        return bool(self.stops) and tracker.tokens >= self.min_tokens and text.endswith(self.stops)

    def is_cramped(self, tracker: ThinkingTracker) -> bool:
        """Whether no more than the reserve is left."""
        return tracker.position + self.reserve >= tracker.plan.room
