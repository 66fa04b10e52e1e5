"""short-m@k: draw n samples at once; when m have finished thinking, abort the others and let the m vote.

Ties go to the answer with the shortest thinking (arXiv 2505.17813).
"""

import asyncio
from collections.abc import Sequence

from server.budget.budget import ThinkingBudget
from server.budget.running.action import Phase
from server.budget.running.tracker import ThinkingTracker
from server.scaling.method import Method, MethodContext, MethodResult
from server.scaling.methods.voters import VotersFields
from server.scaling.samples import Ask, AskKind, OnTokens, Sample, SampleSource
from server.scaling.share import equal_shares
from server.scaling.vote import count, most_voted, votes_report


class ShortMFields(VotersFields):
    """`n` samples, of which the first `m` to finish thinking vote."""


async def short_m(fields: ShortMFields, context: MethodContext) -> MethodResult:
    """Draw, abort, count, choose.

    Raises:
        BudgetError: `total_tokens` is too small for n samples.
    """
    shares = equal_shares(context.source.budget, fields.n, fields.total_tokens)
    samples = await _Race(fields.m).run(context.source, shares)
    choices = await count(samples, context.equality)
    chosen = min(most_voted(choices, samples), key=lambda sample: sample.thinking_tokens)
    return MethodResult(chosen, {"n": fields.n, "m": fields.m, "votes": votes_report(choices)})


class _Race:
    """Runs the samples and aborts those that are not among the first m to finish thinking."""

    def __init__(self, m: int) -> None:
        self._m = m
        self._tasks: list[asyncio.Task[Sample]] = []
        self._finished: list[int] = []

    async def run(self, source: SampleSource, shares: Sequence[ThinkingBudget]) -> list[Sample]:
        """The first m samples, or all if fewer finished thinking."""
        try:
            async with asyncio.TaskGroup() as group:
                for at, share in enumerate(shares):
                    ask = Ask(AskKind.SAMPLE, budget=share)
                    self._tasks.append(group.create_task(source.ask(ask, self._observer(at))))
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        kept = self._finished or range(len(self._tasks))
        return [self._tasks[at].result() for at in kept]

    def _observer(self, at: int) -> OnTokens:
        def observe(tracker: ThinkingTracker) -> None:
            if tracker.phase is Phase.ANSWER and at not in self._finished and len(self._finished) < self._m:
                self._finished.append(at)
                if len(self._finished) == self._m:
                    self._abort_the_others()

        return observe

    def _abort_the_others(self) -> None:
        for at, task in enumerate(self._tasks):
            if at not in self._finished:
                task.cancel()


SHORT_M = Method(ShortMFields, short_m, draws=True, compares=True, needs_thinking=True)
