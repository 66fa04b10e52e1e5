"""A quota of thinking tokens a window of time, and the meter that counts them off as they come."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quota:
    """So many tokens, all requests of a key together, in each window of so many seconds."""

    tokens: int
    window_s: int


class Meter:
    """Counts one key's tokens in the current window, which begins with the first look at it behind the last
    one's end. In memory: a restart begins anew."""

    def __init__(self, quota: Quota, clock: Callable[[], float] = time.monotonic) -> None:
        self.quota = quota
        self.on_spent: Callable[[], None] = lambda: None
        """Called when the last token of a window is spent."""
        self._clock = clock
        self._began = clock()
        self._used = 0

    @property
    def left(self) -> int:
        """Tokens."""
        self._turn()
        return max(0, self.quota.tokens - self._used)

    @property
    def is_spent(self) -> bool:
        """Nobody thinks any more in this window."""
        return self.left == 0

    @property
    def resets_in_s(self) -> float:
        """Until the next window."""
        self._turn()
        return self._began + self.quota.window_s - self._clock()

    def spend(self, tokens: int) -> None:
        """They were thought. Negative ones turned out to be none: what looked like thinking was a mark."""
        had = self.left
        self._used = max(0, self._used + tokens)
        if had and self.is_spent:
            self.on_spent()

    def _turn(self) -> None:
        now = self._clock()
        if now >= self._began + self.quota.window_s:
            self._began, self._used = now, 0
