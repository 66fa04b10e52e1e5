"""Domain crt: two congruences. Search the numbers that fit the larger modulus; divide each by the smaller."""

from math import gcd
from random import Random

from server.reasoning.nano.search import Domain, TriedNumber, division

SMALL = (7, 8, 9, 11, 12, 13)


def draw(rng: Random) -> tuple[int, ...]:
    """Draw the facts (small modulus, remainder, large modulus, remainder), the moduli coprime."""
    while True:
        small, large = rng.choice(SMALL), rng.randrange(14, 41)
        if gcd(small, large) == 1:
            break
    x = rng.randrange(large) + large * rng.randrange(small)
    return small, x % small, large, x % large


def question(facts: tuple[int, ...]) -> str:
    """The question for these facts."""
    small, a, large, b = facts
    return f"Find the smallest x with x mod {small} = {a} and x mod {large} = {b}."


def key(facts: tuple[int, ...]) -> str:
    """The canonical key of these facts."""
    return ",".join(map(str, facts))


def candidates(facts: tuple[int, ...]) -> list[TriedNumber]:
    """All numbers that satisfy the congruence of the large modulus, in increasing order."""
    small, a, large, b = facts
    out = []
    for x in range(b, small * large, large):
        steps, remainder = division(str(x), small)
        out.append(TriedNumber(str(x), str(x), f"{x}: {steps}", remainder == a))
    return out


CRT = Domain("crt", 2, draw, question, key, candidates)
