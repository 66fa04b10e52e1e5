"""A pool of grading processes.

Each compares one pair of answers at a time; a process that exceeds its time limit is killed and replaced.
"""

import asyncio
import multiprocessing
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Self

from server.reasoning.grading.verify import serve

# math-verify itself stops after 5 s of parsing and 5 s of comparing.
KILL_AFTER_S = 20.0
START_S = 120.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of one comparison. `right` is None when it failed; `failure` then says why."""

    right: bool | None
    failure: str = ""


class GradingProcess:
    """One grading process and the pipe to it.

    Spawned, not forked: the parent process has threads and sockets.
    """

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        self._pipe: Connection = ours
        self._process: BaseProcess = context.Process(target=serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self._is_starting = True

    def ask(self, gold: str, predicted: str, timeout_s: float) -> Verdict:
        """Compare two answers; blocks for up to `timeout_s` seconds.

        After a timeout or a crash the process is gone, `alive` is False and the verdict holds the failure.
        """
        try:
            if self._is_starting:
                self._await_start()
            self._pipe.send((gold, predicted))
            if not self._pipe.poll(timeout_s):
                self.kill()
                return Verdict(None, f"no verdict in {timeout_s:g} s")
            right, failure = self._pipe.recv()
        except (EOFError, OSError) as error:
            self.kill()
            return Verdict(None, f"the grading process died: {type(error).__name__}")
        return Verdict(right, failure)

    def _await_start(self) -> None:
        if not self._pipe.poll(START_S):
            raise EOFError
        self._pipe.recv()
        self._is_starting = False

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.is_alive()

    def kill(self) -> None:
        """Kill the process and close the pipe."""
        self._process.kill()
        self._process.join()
        self._pipe.close()


class GradingPool:
    """`await pool.equal(gold, predicted)`, with up to `size` processes.

    Processes are started on demand; leaving the context kills them.
    """

    def __init__(self, size: int, kill_after_s: float = KILL_AFTER_S) -> None:
        self._kill_after_s = kill_after_s
        self._room = asyncio.Semaphore(size)
        self._idle: list[GradingProcess] = []
        self._all: list[GradingProcess] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for grader in self._all:
            if grader.alive:
                grader.kill()

    async def equal(self, gold: str, predicted: str) -> Verdict:
        """Compare an answer with the reference answer `gold`; waits for a free process."""
        async with self._room:
            grader = self._idle.pop() if self._idle else await self._start()
            verdict = await asyncio.to_thread(grader.ask, gold, predicted, self._kill_after_s)
            if grader.alive:
                self._idle.append(grader)
            return verdict

    async def _start(self) -> GradingProcess:
        grader = await asyncio.to_thread(GradingProcess)
        self._all.append(grader)
        return grader
