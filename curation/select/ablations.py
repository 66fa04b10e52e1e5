"""The paper's ablations (its Table 2): the same pool with one of the three criteria, or none."""

from collections.abc import Sequence
from random import Random

from curation.select.candidate import Candidate


def at_random(candidates: Sequence[Candidate], count: int, rng: Random) -> list[Candidate]:
    """1K-random: quality only."""
    return rng.sample(_ordered(candidates), min(count, len(candidates)))


def diverse(candidates: Sequence[Candidate], count: int, rng: Random) -> list[Candidate]:
    """1K-diverse: domains uniformly at random, then any row of the domain."""
    pools: dict[str, list[Candidate]] = {}
    for one in _ordered(candidates):
        pools.setdefault(one.domain, []).append(one)
    result: list[Candidate] = []
    while len(result) < count and pools:
        domain = rng.choice(sorted(pools))
        result.append(pools[domain].pop(rng.randrange(len(pools[domain]))))
        if not pools[domain]:
            del pools[domain]
    return result


def longest(candidates: Sequence[Candidate], count: int, _: Random) -> list[Candidate]:
    """1K-longest: length of thinking only."""
    return sorted(candidates, key=lambda one: (-one.length, one.id))[:count]


def full(candidates: Sequence[Candidate], _: int, __: Random) -> list[Candidate]:
    """59K-full: everything that passes the quality rules."""
    return list(candidates)


def _ordered(candidates: Sequence[Candidate]) -> list[Candidate]:
    return sorted(candidates, key=lambda one: one.id)
