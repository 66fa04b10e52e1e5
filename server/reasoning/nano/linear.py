"""Domain linear: a linear congruence. Add the slope repeatedly until the target remainder appears."""

from random import Random

from server.reasoning.nano.search import Domain, TriedNumber, reduced

MODULI = (17, 19, 23, 29, 31, 37)
MAX_X = 24


def draw(rng: Random) -> tuple[int, ...]:
    """Draw the facts (slope, constant, modulus, target remainder)."""
    modulus = rng.choice(MODULI)
    slope, constant = rng.randrange(2, modulus), rng.randrange(1, modulus)
    x = rng.randrange(1, min(MAX_X, modulus - 1) + 1)
    return slope, constant, modulus, (slope * x + constant) % modulus


def question(facts: tuple[int, ...]) -> str:
    """The question for these facts."""
    slope, constant, modulus, target = facts
    return f"Find the smallest x with {slope}*x+{constant} mod {modulus} = {target}."


def key(facts: tuple[int, ...]) -> str:
    """The canonical key of these facts."""
    return ",".join(map(str, facts))


def candidates(facts: tuple[int, ...]) -> list[TriedNumber]:
    """The values of x from 1 up, in increasing order."""
    slope, remainder, modulus, target = facts
    out = []
    for x in range(1, min(MAX_X, modulus - 1) + 1):
        steps, remainder = reduced(remainder + slope, modulus)
        out.append(TriedNumber(str(x), str(x), f"{x}: {steps}", remainder == target))
    return out


LINEAR = Domain("linear", 4, draw, question, key, candidates)
