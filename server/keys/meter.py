"""A quota of thinking tokens per time window, and what counts tokens against it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Quota:
    """`tokens` thinking tokens per window of `window_s` seconds, over all requests of a key."""

    tokens: int
    window_s: int


class Meter(Protocol):
    """Counts one key's thinking tokens in the current window."""

    quota: Quota
    on_spent: Callable[[], None]
    """Called when the key may not think on: its quota is exhausted, or nobody can say that it is not."""

    @property
    def left(self) -> int:
        """Thinking tokens left in this window, as far as is known here."""

    @property
    def is_spent(self) -> bool:
        """Whether the key may not think on."""

    @property
    def is_unknown(self) -> bool:
        """Whether that is so only because what is left cannot be found out now."""

    @property
    def resets_in_s(self) -> float:
        """Seconds until the next window."""

    def spend(self, tokens: int) -> None:
        """Count `tokens` thinking tokens.

        A negative number corrects an earlier count: tokens counted as thinking turned out to be part of a
        mark.
        """

    async def refresh(self, *, wants_more: bool) -> None:
        """Find out what is left, before a request is looked at. `wants_more`: the request may think."""


class MemoryMeter:
    """Counts in this process's memory: a restart of the server starts a new window.

    A new window starts at the first access after the previous one has ended.
    """

    is_unknown = False

    def __init__(self, quota: Quota, clock: Callable[[], float] = time.monotonic) -> None:
        self.quota = quota
        self.on_spent: Callable[[], None] = lambda: None
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
        """Count `tokens` thinking tokens, or take back as many where it is negative."""
        self._roll_window()
        was_spent = self._used >= self.quota.tokens
        self._used = max(0, self._used + tokens)
        if self._used >= self.quota.tokens and not was_spent:
            self.on_spent()

    async def refresh(self, *, wants_more: bool) -> None:
        """What is left is known."""

    def _roll_window(self) -> None:
        now = self._clock()
        if now >= self._window_start + self.quota.window_s:
            self._window_start, self._used = now, 0
