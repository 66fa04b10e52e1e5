"""short-m@k: draw n samples at once; when m have finished thinking, abort the others and let the m vote.

Ties go to the answer with the shortest thinking (arXiv 2505.17813).
"""

import asyncio
from collections.abc import Sequence
from typing import Self

from pydantic import Field, model_validator

from server.budget.budget import ThinkingBudget
from server.budget.running.controller import Phase
from server.budget.running.tracker import ThinkingTracker
from server.scaling.method import Fields, Method, MethodContext, MethodResult
from server.scaling.samples import Ask, AskKind, OnTokens, Sample, SampleSource
from server.scaling.share import equal_shares
from server.scaling.vote import VotedAnswer, count, votes_report


class ShortMFields(Fields):
    """`n` samples, of which the first `m` to finish thinking vote."""

    n: int = Field(ge=1)
    m: int = Field(ge=1)
    total_tokens: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _m_is_within_n(self) -> Self:
        if self.m > self.n:
            raise ValueError(f"m ({self.m}) is above n ({self.n})")
        return self


async def short_m(fields: ShortMFields, context: MethodContext) -> MethodResult:
    """Draw, abort, count, choose.

    Raises:
        BudgetError: `total_tokens` is too small for n samples.
    """
    shares = equal_shares(context.source.budget, fields.n, fields.total_tokens)
    samples = await _Race(fields.m).run(context.source, shares)
    choices = await count(samples, context.equality)
    chosen = _shortest(_heaviest(choices)) if choices else _shortest(samples)
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


def _heaviest(choices: Sequence[VotedAnswer]) -> list[Sample]:
    """The samples of all choices with the maximum number of votes."""
    maximum = max(choice.weight for choice in choices)
    return [sample for choice in choices if choice.weight == maximum for sample in choice.samples]


def _shortest(samples: Sequence[Sample]) -> Sample:
    return min(samples, key=lambda sample: sample.thinking_tokens)


SHORT_M = Method(ShortMFields, short_m, draws=True, compares=True, needs_thinking=True)
