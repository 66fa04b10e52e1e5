"""Domain pairs: find the two of six numbers that make a given sum.

All fifteen pairs are tried in order; the answer is the smaller number of the pair.
"""

from itertools import combinations
from random import Random

from server.reasoning.nano.search import Domain, TriedNumber

COUNT = 6


def draw(rng: Random) -> tuple[int, ...]:
    """Draw the facts of a random problem: six numbers, and the sum of exactly one pair of them."""
    while True:
        numbers = rng.sample(range(10, 80), COUNT)
        sums = [a + b for a, b in combinations(numbers, 2)]
        total = rng.choice(sums)
        if sums.count(total) == 1:
            return (*numbers, total)


def question(facts: tuple[int, ...]) -> str:
    """The question for these facts."""
    *numbers, total = facts
    return f"Two of {', '.join(map(str, numbers))} add up to {total}. Find the smaller one."


def key(facts: tuple[int, ...]) -> str:
    """The canonical key of these facts; the order of the numbers does not matter."""
    return ",".join(map(str, (*sorted(facts[:-1]), facts[-1])))


def candidates(facts: tuple[int, ...]) -> list[TriedNumber]:
    """All fifteen pairs of the six numbers, in order."""
    *numbers, total = facts
    return [
        TriedNumber(f"{a}+{b}", str(min(a, b)), f"{a}+{b}={a + b}", a + b == total)
        for a, b in combinations(numbers, 2)
    ]


PAIRS = Domain("pairs", 3, draw, question, key, candidates)
