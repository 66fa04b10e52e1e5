"""Whether two samples have the same answer: decided by rules, or else by a mathematical comparison."""

import asyncio
from typing import Protocol

from server.reasoning.answers import final_answer, settle_same
from server.reasoning.grading.pool import Verdict


class Judge(Protocol):
    """Decides whether two mathematical expressions are equal."""

    async def equal(self, gold: str, predicted: str, /) -> Verdict:
        """The verdict on a pair of answers; see `GradingPool.equal`."""


class Equality:
    """Compares answers for one request; mathematical comparisons are cached."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._known: dict[tuple[str, str], bool] = {}
        self.failures = 0
        """Number of pairs that could not be compared and therefore count as different."""

    async def same(self, one: str, other: str) -> bool:
        """Whether two answers are equal; symmetric. A failed comparison counts as different."""
        settled = settle_same(one, other)
        if settled is not None:
            return settled
        pair = (min(one, other), max(one, other))
        if pair not in self._known:
            # Shielded: cancelling the comparison would lose its grading process to the pool.
            verdict = await asyncio.shield(asyncio.ensure_future(self._judge.equal(*pair)))
            self.failures += verdict.right is None
            self._known[pair] = bool(verdict.right)
        return self._known[pair]


def ballot(answer: str) -> str | None:
    """The answer a text votes for: the final answer it names, else the whole text; None if it is empty."""
    found = final_answer(answer)
    return (found.value if found else answer.strip()) or None
