"""Domain factor: the smallest prime factor, at most 37, of three to five digits, by long division."""

from random import Random

from server.reasoning.nano.search import Domain, TriedNumber, division

PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)
# 2, 3 and 5 are recognised without a search, so they are drawn less often.
WEIGHTS = (1, 2, 1, 4, 4, 4, 4, 4, 4, 4, 4, 4)


def smallest_factor(number: int) -> int:
    """The smallest prime of PRIMES that divides `number`, or 0."""
    return next((p for p in PRIMES if number % p == 0), 0)


def draw(rng: Random) -> tuple[int, ...]:
    """Draw the facts (number,), whose smallest prime factor is one of PRIMES."""
    while True:
        low, prime = rng.choice((100, 1000, 1000, 10000)), rng.choices(PRIMES, WEIGHTS)[0]
        number = prime * rng.randrange(-(-low // prime), (low * 10 - 1) // prime + 1)
        if prime * prime < low * 5 and smallest_factor(number) == prime:
            return (number,)


def question(facts: tuple[int, ...]) -> str:
    """The question for these facts."""
    return f"Find the smallest prime factor of {facts[0]}."


def key(facts: tuple[int, ...]) -> str:
    """The canonical key of these facts."""
    return str(facts[0])


def candidates(facts: tuple[int, ...]) -> list[TriedNumber]:
    """All primes of PRIMES, in increasing order."""
    out = []
    for prime in PRIMES:
        steps, remainder = division(str(facts[0]), prime)
        out.append(TriedNumber(str(prime), str(prime), f"{prime}: {steps}", remainder == 0))
    return out


FACTOR = Domain("factor", 2, draw, question, key, candidates)
