"""What all domains of s1-nano's problems share: a question and a list of candidates to try in turn.

A domain defines its questions and how one candidate is checked; the teacher defines the search.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class NanoProblem:
    """A question with one correct answer. `key` is canonical: equal keys mean the same problem."""

    id: str
    domain: str
    question: str
    answer: str
    key: str
    facts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TriedNumber:
    """One candidate: `work` is the text up to its verdict, `answer` the answer if it is correct."""

    label: str
    answer: str
    work: str
    right: bool


@dataclass(frozen=True, slots=True)
class Domain:
    """A kind of problem.

    `draw` returns the facts of a random problem; the teacher tries `batch` candidates per attempt.
    """

    name: str
    batch: int
    draw: Callable[[Random], tuple[int, ...]]
    question: Callable[[tuple[int, ...]], str]
    key: Callable[[tuple[int, ...]], str]
    candidates: Callable[[tuple[int, ...]], list[TriedNumber]]


def division(digits: str, divisor: int) -> tuple[str, int]:
    """Long division of `digits` by `divisor`, remainders only: ("39>5, 51>0", 0) for 391 by 17."""
    width = min(len(str(divisor)), len(digits))
    chunk, steps, remainder = digits[:width], [], int(digits[:width]) % divisor
    steps.append(f"{chunk}>{remainder}")
    for digit in digits[width:]:
        chunk = f"{remainder}{digit}"
        remainder = int(chunk) % divisor
        steps.append(f"{chunk}>{remainder}")
    return ", ".join(steps), remainder


def reduced(value: int, modulus: int) -> tuple[str, int]:
    """The text of a value reduced by `modulus`, and the remainder: ("45>16", 16), or ("15", 15)."""
    remainder = value % modulus
    return (str(value) if value == remainder else f"{value}>{remainder}"), remainder
