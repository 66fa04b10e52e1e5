"""An unlimited supply of distinct s1-nano problems, split by hash: held-out ones never reach training.

Defines the domains, the split, how problems are drawn and how a problem is traced. Standard library only.
"""

from collections.abc import Iterator
from hashlib import md5
from random import Random
from typing import Literal

from server.reasoning.nano.crt import CRT
from server.reasoning.nano.factor import FACTOR
from server.reasoning.nano.linear import LINEAR
from server.reasoning.nano.pairs import PAIRS
from server.reasoning.nano.power import POWER
from server.reasoning.nano.search import Domain, NanoProblem, TriedNumber
from server.reasoning.nano.teacher import (
    ORDINARY,
    WANDERING,
    ImpatientTeacher,
    NanoTrace,
    TeacherHabit,
    TeacherStep,
)

__all__ = [
    "DOMAINS",
    "ORDINARY",
    "WANDERING",
    "NanoProblem",
    "NanoTrace",
    "Split",
    "TeacherHabit",
    "TeacherStep",
    "candidates_of",
    "problem_from",
    "problems",
    "split_of",
    "trace",
]

Split = Literal["train", "dev", "test"]

DOMAINS: dict[str, Domain] = {d.name: d for d in (FACTOR, CRT, POWER, LINEAR, PAIRS)}


def split_of(problem: NanoProblem) -> Split:
    """The split of a problem, by the hash of its key: 1/12 test, 1/12 dev, the rest train."""
    bucket = md5(problem.key.encode(), usedforsecurity=False).digest()[0] % 12
    return "test" if bucket == 0 else "dev" if bucket == 1 else "train"


def candidates_of(problem: NanoProblem) -> list[TriedNumber]:
    """The candidates of a problem, in the order in which the teacher tries them."""
    return DOMAINS[problem.domain].candidates(problem.facts)


def problem_from(domain: str, facts: tuple[int, ...]) -> NanoProblem:
    """The problem with these facts. Its answer is that of the first correct candidate."""
    kind = DOMAINS[domain]
    key = f"{domain}:{kind.key(facts)}"
    answer = next(c.answer for c in kind.candidates(facts) if c.right)
    return NanoProblem(f"nano-{key}", domain, kind.question(facts), answer, key, facts)


def problems(
    split: Split, n: int, seed: int, domains: tuple[str, ...] | None = None
) -> Iterator[NanoProblem]:
    """Yield `n` distinct problems of the split, the domains in turn.

    The generator does not end when the split has fewer than `n` problems.
    """
    names, rng, seen = domains or tuple(DOMAINS), Random(f"{split}:{seed}"), set[str]()
    while len(seen) < n:
        name = names[len(seen) % len(names)]
        problem = problem_from(name, DOMAINS[name].draw(rng))
        if problem.key not in seen and split_of(problem) == split:
            seen.add(problem.key)
            yield problem


def trace(problem: NanoProblem, rng: Random, habit: TeacherHabit = ORDINARY) -> NanoTrace:
    """The teacher's trace of a problem: `.thinking` and `.answer`, which may be wrong."""
    kind = DOMAINS[problem.domain]
    return ImpatientTeacher(problem, candidates_of(problem), kind.batch, habit, rng).think()
