"""Majority@k and pass@k from n samples per problem."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

from server.reasoning.answers import integer, normal_string


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample: its answer (None: no answer), whether it is correct, and its thinking tokens if known."""

    extracted: str | None
    score: float | None
    tokens: int | None


def majority(samples: Sequence[Sample]) -> float | None:
    """The score of the most frequent answer; ties go to the one given first.

    Samples without an answer do not vote. 0.0 if no sample answered; None if the chosen answer could not be
    graded.
    """
    votes = Counter(_ballot(sample.extracted) for sample in samples if sample.extracted is not None)
    if not votes:
        return 0.0
    # Counter keeps insertion order, and max returns the first of equal items: s1's rule for ties.
    chosen = max(votes, key=votes.__getitem__)
    return next(s.score for s in samples if s.extracted is not None and _ballot(s.extracted) == chosen)


def pass_at(k: int, right: int, n: int) -> float:
    """The probability that k of the n samples, drawn without replacement, include a correct one.

    Chen et al. 2021.

    Raises:
        ValueError: k is not within 1 and n.
    """
    if not 0 < k <= n:
        raise ValueError(f"pass@{k} of {n} samples")
    return 1.0 - comb(n - right, k) / comb(n, k)


def _ballot(answer: str) -> str:
    """A key that is equal for equal votes: the integer, or the text without spaces and TeX size commands."""
    number = integer(answer)
    if number is not None:
        return str(number)
    text = normal_string(answer).replace(" ", "")
    for plain, dressed in (("", r"\left"), ("", r"\right"), (r"\frac", r"\dfrac"), (r"\frac", r"\tfrac")):
        text = text.replace(dressed, plain)
    return text
