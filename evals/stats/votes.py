"""Majority@k and pass@k from n samples of each problem: exact, over all subsets of k samples."""

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import comb

from server.reasoning.equality import Equality
from server.reasoning.grading.pool import GradingPool
from server.reasoning.votes import group

Ways = dict[tuple[int, int], int]
"""How many draws hold so many samples, with so many groups at the top count."""


@dataclass(frozen=True, slots=True)
class GradedSample:
    """A graded sample: the group of equal answers that it voted for (None: it named no answer)."""

    ballot: int | None
    score: float


def ballots_of(problems: Sequence[Sequence[str | None]]) -> list[list[int | None]]:
    """For each problem, the group of each of its answers; by the server's own voting code, in one pool."""
    with ThreadPoolExecutor(1) as thread:  # a report may be made where an event loop runs
        return thread.submit(asyncio.run, _ballots_of(problems)).result()


async def _ballots_of(problems: Sequence[Sequence[str | None]]) -> list[list[int | None]]:
    async with GradingPool(max(1, (os.cpu_count() or 2) // 2)) as judge:
        equality = Equality(judge)  # of all problems: their pairs of answers recur
        return list(await asyncio.gather(*(_groups(said, equality) for said in problems)))


async def _groups(said: Sequence[str | None], equality: Equality) -> list[int | None]:
    found: list[int | None] = [None] * len(said)
    for number, ballots in enumerate(await group(said, equality)):
        for voter in ballots.voters:
            found[voter] = number
    return found


def majority_at(k: int, samples: Sequence[GradedSample]) -> float:
    """The mean score of the answer most often given, over all subsets of k samples.

    Silence has no vote, and a subset of silence scores 0. Of equally many votes each answer wins equally
    often: the one given first wins (s1's rule), and a subset has no order. So majority_at(1) is pass_at(1).

    Raises:
        ValueError: k is not within 1 and the number of samples.
    """
    if not 0 < k <= len(samples):
        raise ValueError(f"majority@{k} of {len(samples)} samples")
    sizes: dict[int, int] = {}
    scores: dict[int, float] = {}
    for one in samples:
        if one.ballot is not None:
            sizes[one.ballot] = sizes.get(one.ballot, 0) + 1
            scores.setdefault(one.ballot, one.score)  # of a group that was graded differently, the first's
    silent = len(samples) - sum(sizes.values())
    won = 0.0
    for ballot, size in sizes.items():
        if scores[ballot]:
            others = [other for name, other in sizes.items() if name != ballot]
            won += scores[ballot] * sum(
                _wins(k, votes, size, others, silent) for votes in range(1, min(size, k) + 1)
            )
    return won / comb(len(samples), k)


def _wins(k: int, votes: int, size: int, others: Sequence[int], silent: int) -> float:
    """The subsets of k in which a group of `size` wins with exactly so many votes; a tie is shared."""
    ways: Ways = {(0, 0): 1}
    for other in others:
        ways = _with(ways, other, votes, k - votes)
    ours = comb(size, votes)
    return sum(
        ours * count * comb(silent, k - votes - drawn) / (tied + 1) for (drawn, tied), count in ways.items()
    )


def _with(ways: Ways, size: int, most: int, room: int) -> Ways:
    """The ways, with none to `most` samples of one more group."""
    found: Ways = {}
    for (drawn, tied), count in ways.items():
        for more in range(min(size, most, room - drawn) + 1):
            key = (drawn + more, tied + (more == most))
            found[key] = found.get(key, 0) + count * comb(size, more)
    return found


def pass_at(k: int, right: int, n: int) -> float:
    """The probability that k of the n samples, drawn without replacement, include a correct one.

    Chen et al. 2021.

    Raises:
        ValueError: k is not within 1 and n.
    """
    if not 0 < k <= n:
        raise ValueError(f"pass@{k} of {n} samples")
    return 1.0 - comb(n - right, k) / comb(n, k)
