"""A step: a piece of thinking that is asked for by itself, and where it ends."""

from dataclasses import dataclass

from server.budget.running.tracker import Follower


@dataclass(frozen=True, slots=True)
class Step:
    """Ends with thinking itself; else behind one of `stops`, once `least` tokens stand; else with `most`
    tokens; else where only `reserve` tokens are left of what the request may generate."""

    stops: tuple[str, ...] = ()
    least: int = 0
    most: int | None = None
    reserve: int = 0

    def is_over(self, follower: Follower, text: str) -> bool:
        """`text`: what came out so far, up to the last token."""
        if follower.answer_at is not None or self.is_cramped(follower):
            return True
        if self.most is not None and follower.tokens >= self.most:
            return True
        return bool(self.stops) and follower.tokens >= self.least and text.endswith(self.stops)

    def is_cramped(self, follower: Follower) -> bool:
        """Whether the reserve has been reached."""
        return follower.position + self.reserve >= follower.plan.room
