"""Drop problems that any solver solves; and mark which traces are correct, for the preselection.

Without a judge, a row that no rule can grade is dropped as ungraded, not taken for hard.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from curation.ask.request import ModelAddress, UnansweredError
from curation.ask.settings import AskSettings
from curation.difficulty.grader import Grader
from curation.difficulty.judge import ModelJudge
from curation.row import Dropped, Outcome, Row
from curation.run.stage import AskedStage
from server.reasoning.grading.pool import GradingPool


@dataclass(frozen=True, slots=True)
class Grading:
    """How attempts and traces are graded: the number of math-verify processes, and an optional judge."""

    asking: AskSettings
    judge: ModelAddress | None = None
    processes: int = 2

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Grader]:
        """The grader, as a context."""
        async with AsyncExitStack() as stack:
            pool = await stack.enter_async_context(GradingPool(self.processes))
            if self.judge is None:
                yield Grader(pool)
                return
            [endpoint] = await stack.enter_async_context(self.asking.open(self.judge))
            yield Grader(pool, ModelJudge(endpoint))


@dataclass(frozen=True, slots=True)
class TooEasy(AskedStage[Grader]):
    """A stage: drop a row if any attempt solves its problem; the detail names the solver."""

    grading: Grading

    @property
    def window(self) -> int:
        """The maximum number of rows in flight."""
        return self.grading.asking.window

    def open(self) -> AbstractAsyncContextManager[Grader]:
        """The grader, as a context."""
        return self.grading.open()

    async def work(self, row: Row, asked: Grader) -> Outcome:
        """Grade the attempts of the row, and drop it if one is correct.

        Raises:
            UnansweredError: An endpoint has no usable reply.
        """
        if not row.attempts:
            return Dropped(row, "no_attempt")
        grades = [await asked.grade(row.problem, attempt.text) for attempt in row.attempts]
        graded = tuple(
            replace(attempt, solved=grade.right, how=grade.how)
            for attempt, grade in zip(row.attempts, grades, strict=True)
        )
        row = replace(row, attempts=graded)
        solvers = sorted({attempt.model for attempt in graded if attempt.solved})
        if solvers:
            return Dropped(row, "solved", f"by {' and '.join(solvers)}")
        if unclear := [attempt for attempt in graded if attempt.solved is None]:
            return Dropped(row, "ungraded", f"{unclear[0].model}: {unclear[0].how}")
        return row


@dataclass(frozen=True, slots=True)
class GradedTraces(AskedStage[Grader]):
    """A stage that drops nothing: it records in each trace whether its answer is correct, if decidable."""

    grading: Grading

    @property
    def window(self) -> int:
        """The maximum number of rows in flight."""
        return self.grading.asking.window

    def open(self) -> AbstractAsyncContextManager[Grader]:
        """The grader, as a context."""
        return self.grading.open()

    async def work(self, row: Row, asked: Grader) -> Outcome:
        """Grade the trace of the row."""
        if row.trace is None or row.trace.correct is not None:
            return row
        try:
            grade = await asked.grade(row.problem, row.trace.answer)
        except UnansweredError:
            return row
        return replace(row, trace=replace(row.trace, correct=grade.right))
