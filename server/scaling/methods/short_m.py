"""short-m@k: n samples at once; when the first m have finished thinking the others are aborted; the m vote.

Of answers with equally many votes the one behind the shortest thinking wins (arXiv 2505.17813).
"""

import asyncio
from collections.abc import Sequence
from typing import Self

from pydantic import Field, model_validator

from server.budget.budget import ThinkingBudget
from server.budget.running.controller import Phase
from server.budget.running.tracker import ThinkingTracker
from server.scaling.method import Fields, Means, Method, Outcome
from server.scaling.samples import Ask, AskKind, OnTokens, Sample, SampleSource
from server.scaling.share import equal_shares
from server.scaling.vote import Choice, count, listed


class ShortMFields(Fields):
    """`n` samples; the first `m` to finish thinking vote."""

    n: int = Field(ge=1)
    m: int = Field(ge=1)
    total_tokens: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _m_is_within_n(self) -> Self:
        if self.m > self.n:
            raise ValueError(f"m ({self.m}) is above n ({self.n})")
        return self


async def short_m(fields: ShortMFields, means: Means) -> Outcome:
    shares = equal_shares(means.source.budget, fields.n, fields.total_tokens)
    samples = await _Race(fields.m).run(means.source, shares)
    choices = await count(samples, means.equality)
    chosen = _shortest(_heaviest(choices)) if choices else _shortest(samples)
    return Outcome(chosen, {"n": fields.n, "m": fields.m, "votes": listed(choices)})


class _Race:
    """Who finishes thinking first."""

    def __init__(self, m: int) -> None:
        self._m = m
        self._tasks: list[asyncio.Task[Sample]] = []
        self._finished: list[int] = []

    async def run(self, source: SampleSource, shares: Sequence[ThinkingBudget]) -> list[Sample]:
        """The samples that stand: the m, or all that came to an end where fewer finished thinking."""
        try:
            async with asyncio.TaskGroup() as group:
                for at, share in enumerate(shares):
                    ask = Ask(AskKind.SAMPLE, budget=share)
                    self._tasks.append(group.create_task(source.ask(ask, self._observer(at))))
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        stand = self._finished or range(len(self._tasks))
        return [self._tasks[at].result() for at in stand]

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


def _heaviest(choices: Sequence[Choice]) -> list[Sample]:
    """Of every choice that nobody has more votes than, the samples."""
    most = max(choice.weight for choice in choices)
    return [sample for choice in choices if choice.weight == most for sample in choice.samples]


def _shortest(samples: Sequence[Sample]) -> Sample:
    return min(samples, key=lambda sample: sample.thinking_tokens)


SHORT_M = Method(ShortMFields, short_m, draws=True, compares=True, needs_thinking=True)
