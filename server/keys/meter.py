"""A quota of thinking tokens per time window, and the meter that counts tokens against it."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quota:
    """`tokens` thinking tokens per window of `window_s` seconds, over all requests of a key."""

    tokens: int
    window_s: int


class Meter:
    """Counts one key's thinking tokens in the current window.

    A new window starts at the first access after the previous one has ended. The count is kept in memory: a
    restart of the server starts a new window.
    """

    def __init__(self, quota: Quota, clock: Callable[[], float] = time.monotonic) -> None:
        self.quota = quota
        self.on_spent: Callable[[], None] = lambda: None
        """Called when the quota of a window becomes exhausted."""
        self._clock = clock
        self._window_start = clock()
        self._used = 0

    @property
    def left(self) -> int:
        """Thinking tokens left in this window."""
        self._roll_window()
        return max(0, self.quota.tokens - self._used)

    @property
    def is_spent(self) -> bool:
        """Whether the quota of this window is exhausted."""
        return self.left == 0

    @property
    def resets_in_s(self) -> float:
        """Seconds until the next window."""
        self._roll_window()
        return self._window_start + self.quota.window_s - self._clock()

    def spend(self, tokens: int) -> None:
        """Count `tokens` thinking tokens.

        A negative number corrects an earlier count: tokens counted as thinking turned out to be part of a
        mark.
        """
        left_before = self.left
        self._used = max(0, self._used + tokens)
        if left_before and self.is_spent:
            self.on_spent()

    def _roll_window(self) -> None:
        now = self._clock()
        if now >= self._window_start + self.quota.window_s:
            self._window_start, self._used = now, 0
