"""An asyncio event loop whose time passes while everybody sleeps, and only then: the same in each run."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _NoWait(selectors.SelectSelector):
    """Nothing ever comes from outside; who would wait for it has time pass instead."""

    passed_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """As the base class, without waiting.

        Raises:
            RuntimeError: Everybody waits for somebody else.
        """
        if timeout is None:
            raise RuntimeError("a simulation waits for something outside of it")
        self.passed_s += max(0.0, timeout)
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """`time` begins at 0."""

    def __init__(self) -> None:
        self._no_wait = _NoWait()
        super().__init__(self._no_wait)
        # What is due in less than this is due: sums of sleeps are not exact.
        self._clock_resolution = 1e-9

    def time(self) -> float:
        """Seconds that have passed."""
        return self._no_wait.passed_s


def run_virtually(work: Coroutine[Any, Any, T]) -> T:
    """As asyncio.run."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(work)
