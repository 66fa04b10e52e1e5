"""Domain power: a discrete logarithm. Multiply repeatedly until the target remainder appears."""

from random import Random

from server.reasoning.nano.search import Domain, TriedNumber, reduced

MODULI = (11, 13, 17, 19, 23, 29, 31, 37)
MAX_EXPONENT = 15


def draw(rng: Random) -> tuple[int, ...]:
    """Draw the facts (start, base, modulus, target remainder)."""
    modulus, base = rng.choice(MODULI), rng.randrange(2, 8)
    start, exponent = rng.randrange(2, modulus), rng.randrange(1, MAX_EXPONENT + 1)
    return start, base, modulus, start * pow(base, exponent, modulus) % modulus


def question(facts: tuple[int, ...]) -> str:
    """The question for these facts."""
    start, base, modulus, target = facts
    return f"Find the smallest k with {start}*{base}^k mod {modulus} = {target}."


def key(facts: tuple[int, ...]) -> str:
    """The canonical key of these facts."""
    return ",".join(map(str, facts))


def candidates(facts: tuple[int, ...]) -> list[TriedNumber]:
    """The exponents from 1 to MAX_EXPONENT, in increasing order."""
    remainder, base, modulus, target = facts
    out = []
    for k in range(1, MAX_EXPONENT + 1):
        steps, remainder = reduced(remainder * base, modulus)
        out.append(TriedNumber(str(k), str(k), f"{k}: {steps}", remainder == target))
    return out


POWER = Domain("power", 2, draw, question, key, candidates)
