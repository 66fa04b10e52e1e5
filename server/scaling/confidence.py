"""Confidence in a line of thinking, from the likeliest tokens at each of its positions (arXiv 2508.15260).

A token's confidence is the negative mean log probability of the k likeliest tokens there, in nats: high where
one token has nearly all of the probability. A group's confidence is the mean over a window of tokens.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from math import inf
from statistics import fmean


def token_confidence(alternatives: Mapping[int, float], k: int) -> float:
    """The confidence at one position, whose `alternatives` are log probabilities, highest first.

    Masked tokens, whose log probability is -inf, do not count.
    """
    return -fmean([value for value in alternatives.values() if value > -inf][:k] or [0.0])


class GroupConfidence:
    """The confidence of the groups of one line, updated as its tokens come."""

    def __init__(self, window: int, k: int) -> None:
        self._window, self._k = window, k
        self._last: deque[float] = deque(maxlen=window)
        self._lowest = float("inf")

    def add(self, positions: Iterable[Mapping[int, float]]) -> None:
        """Add the tokens of one step, in order."""
        for alternatives in positions:
            if not alternatives:
                continue
            self._last.append(token_confidence(alternatives, self._k))
            if len(self._last) == self._window:
                self._lowest = min(self._lowest, fmean(self._last))

    @property
    def lowest_whole(self) -> float:
        """The lowest confidence of a whole window so far; infinite before there is one."""
        return self._lowest

    @property
    def lowest(self) -> float:
        """The line's own confidence: the lowest of its groups; of a line shorter than the window, its mean.

        0 for a line without tokens.
        """
        if self._lowest != float("inf"):
            return self._lowest
        return fmean(self._last) if self._last else 0.0


def percentile(values: Sequence[float], percent: float) -> float:
    """The percentile with linear interpolation between the two nearest ranks, as numpy's default."""
    ranked = sorted(values)
    place = (len(ranked) - 1) * percent / 100
    below = int(place)
    above = min(below + 1, len(ranked) - 1)
    return ranked[below] + (ranked[above] - ranked[below]) * (place - below)
