"""Are two samples' answers the same one? Settled by rule where a rule can, else by mathematics."""

import asyncio
from typing import Protocol

from server.reasoning.answers import final_answer, settle_same
from server.reasoning.grading.pool import Verdict


class Judge(Protocol):
    """Decides whether two mathematical expressions are equal."""

    async def equal(self, gold: str, said: str, /) -> Verdict: ...


class Equality:
    """For one request: pairs that were asked once are remembered."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._known: dict[tuple[str, str], bool] = {}
        self.failures = 0
        """Pairs that could not be compared, and count as different."""

    async def same(self, one: str, other: str) -> bool:
        """Symmetric, as the graders' rules are."""
        settled = settle_same(one, other)
        if settled is not None:
            return settled
        pair = (min(one, other), max(one, other))
        if pair not in self._known:
            # Shielded: a grading process whose asker went away would be lost to the pool.
            verdict = await asyncio.shield(asyncio.ensure_future(self._judge.equal(*pair)))
            self.failures += verdict.right is None
            self._known[pair] = bool(verdict.right)
        return self._known[pair]


def ballot(answer: str) -> str | None:
    """What an answer votes for: the final answer that it names, else all of it; None: nothing."""
    found = final_answer(answer)
    return (found.value if found else answer.strip()) or None
