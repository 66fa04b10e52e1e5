"""Majority@k and pass@k from n samples of each problem."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

from server.reasoning.answers import integer, normal_string


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample of a problem: what it answered (None: nothing), whether it was right, its tokens if told."""

    extracted: str | None
    score: float | None
    tokens: int | None


def majority(samples: Sequence[Sample]) -> float | None:
    """The score of the answer most often given; of equals the one given first. Silence has no vote.

    0.0 when no sample answered; None when the chosen answer could not be graded.
    """
    votes = Counter(_ballot(sample.extracted) for sample in samples if sample.extracted is not None)
    if not votes:
        return 0.0
    # Counter keeps the order of first sight, and max takes the first of equals: s1's rule for ties.
    chosen = max(votes, key=votes.__getitem__)
    return next(s.score for s in samples if s.extracted is not None and _ballot(s.extracted) == chosen)


def pass_at(k: int, right: int, n: int) -> float:
    """The chance that k of the n samples, drawn without replacement, hold a right one (Chen et al. 2021)."""
    if not 0 < k <= n:
        raise ValueError(f"pass@{k} of {n} samples")
    return 1.0 - comb(n - right, k) / comb(n, k)


def _ballot(answer: str) -> str:
    """Equal for answers that are one vote: the same integer, or the same text without blanks and TeX's
    sizes.
    """
    number = integer(answer)
    if number is not None:
        return str(number)
    text = normal_string(answer).replace(" ", "")
    for plain, dressed in (("", r"\left"), ("", r"\right"), (r"\frac", r"\dfrac"), (r"\frac", r"\tfrac")):
        text = text.replace(dressed, plain)
    return text
