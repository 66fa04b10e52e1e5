"""A pool of grading processes: each answers one pair at a time, and one that does not answer in time is
killed.
"""

import asyncio
import multiprocessing
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Self

from server.reasoning.grading.verify import serve

# math-verify gives up by itself after 5 s of parsing and 5 s of comparing.
KILL_AFTER_S = 20.0
START_S = 120.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """One comparison: right or not, or, when it could not be made, None and why."""

    right: bool | None
    failure: str = ""


class Grader:
    """One process and its pipe. Spawned, not forked: the sweep has threads and sockets."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        self._pipe: Connection = ours
        self._process: BaseProcess = context.Process(target=serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self._fresh = True

    def ask(self, gold: str, said: str, timeout_s: float) -> Verdict:
        """Blocks. On a timeout or a death the process is gone and `alive` is False."""
        try:
            if self._fresh:
                if not self._pipe.poll(START_S):
                    raise EOFError
                self._pipe.recv()
                self._fresh = False
            self._pipe.send((gold, said))
            if not self._pipe.poll(timeout_s):
                self.kill()
                return Verdict(None, f"no verdict in {timeout_s:g} s")
            right, failure = self._pipe.recv()
        except (EOFError, OSError) as error:
            self.kill()
            return Verdict(None, f"the grading process died: {type(error).__name__}")
        return Verdict(right, failure)

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    def kill(self) -> None:
        self._process.kill()
        self._process.join()
        self._pipe.close()


class GradingPool:
    """`await pool.equal(gold, said)`. Processes start when first needed; leaving the context kills them."""

    def __init__(self, size: int, kill_after_s: float = KILL_AFTER_S) -> None:
        self._kill_after_s = kill_after_s
        self._room = asyncio.Semaphore(size)
        self._idle: list[Grader] = []
        self._all: list[Grader] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for grader in self._all:
            if grader.alive:
                grader.kill()

    async def equal(self, gold: str, said: str) -> Verdict:
        async with self._room:
            grader = self._idle.pop() if self._idle else await self._start()
            verdict = await asyncio.to_thread(grader.ask, gold, said, self._kill_after_s)
            if grader.alive:
                self._idle.append(grader)
            return verdict

    async def _start(self) -> Grader:
        grader = await asyncio.to_thread(Grader)
        self._all.append(grader)
        return grader
