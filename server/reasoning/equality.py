"""Whether two answers are the same: decided by rules, or else by a mathematical comparison.

The one notion of equality of grading and of votes.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from server.reasoning.answers import final_answer, settle_same
from server.reasoning.grading.pool import Verdict
from server.reasoning.quantity import expression_and_unit

LONGEST_BALLOT = 500
"""Characters: mathematics is not asked about longer ballots, which are prose."""


class Judge(Protocol):
    """Decides whether two mathematical expressions are equal."""

    async def equal(self, gold: str, predicted: str, /) -> Verdict:
        """The verdict on a pair of answers; see `GradingPool.equal`."""
        ...


async def compare(gold: str, said: str, judge: Judge) -> Verdict:
    """The verdict on two answers; the judge sees them without wrapping and units, and only where it must."""
    settled = settle_same(gold, said)
    if settled is not None:
        return Verdict(settled)
    return await judge.equal(expression_and_unit(gold)[0], expression_and_unit(said)[0])


class Equality:
    """Of many answers to one question: pairs that were asked once are remembered."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._known: dict[tuple[str, str], bool] = {}
        self.failures = 0
        """Pairs that could not be compared, and count as different."""

    async def same(self, one: str, other: str) -> bool:
        """Symmetric, as the graders' rules are."""
        if one == other:
            return True
        pair = (min(one, other), max(one, other))
        if pair not in self._known:
            self._known[pair] = await self._compared(*pair)
        return self._known[pair]

    async def _compared(self, one: str, other: str) -> bool:
        if max(len(one), len(other)) > LONGEST_BALLOT:
            return bool(settle_same(one, other))
        # Shielded: a grading process whose asker went away would be lost to the pool.
        verdict = await asyncio.shield(asyncio.ensure_future(compare(one, other, self._judge)))
        self.failures += verdict.right is None
        return bool(verdict.right)


def ballots(answers: Sequence[str]) -> list[str | None]:
    """What each of several answers votes for.

    Once one names a final answer, those that name none have no vote: a reply that was cut before its answer
    must not win. Else each votes for its whole text.
    """
    named = [final_answer(answer) for answer in answers]
    if any(named):
        return [one.value if one else None for one in named]
    return [answer.strip() or None for answer in answers]


def ballot(answer: str) -> str | None:
    """What an answer votes for: the final answer that it names, else all of it; None: nothing."""
    found = final_answer(answer)
    return (found.value if found else answer.strip()) or None
