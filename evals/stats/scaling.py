"""Control, Scaling and Performance of a method's runs, as in section 3.2 of s1 (arXiv 2501.19393).

Scaling is in accuracy points per doubling of thinking tokens. The paper does not say so, but only the base-2
logarithm of the tokens gives the values of its Table 3 (linear slopes are orders of magnitude off).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import log2


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One evaluation: mean thinking tokens, and accuracy in percent.

    `at_least` and `at_most` are a_min and a_max, if the arm has limits; they apply to `held` tokens (None: to
    `tokens`).
    """

    tokens: float
    accuracy: float
    at_least: float | None = None
    at_most: float | None = None
    held: float | None = None


def kept(tokens: float, at_least: float | None, at_most: float | None) -> bool:
    """Whether the tokens are within the limits, inclusive."""
    return (at_least is None or tokens >= at_least) and (at_most is None or tokens <= at_most)


def control(runs: Sequence[CurvePoint]) -> float | None:
    """Percent of the runs with a limit that kept it; None without any."""
    promised = [run for run in runs if run.at_least is not None or run.at_most is not None]
    if not promised:
        return None
    within = [
        kept(run.tokens if run.held is None else run.held, run.at_least, run.at_most) for run in promised
    ]
    return 100 * sum(within) / len(within)


def scaling(runs: Sequence[CurvePoint]) -> float | None:
    """The mean slope over all pairs of points that differ in tokens; None without such a pair.

    Runs with the same tokens and accuracy are one point, counted once. A run without any thinking has no
    logarithm and is left out.
    """
    points = list({(run.tokens, run.accuracy): run for run in runs if run.tokens > 0}.values())
    slopes = [
        (more.accuracy - less.accuracy) / (log2(more.tokens) - log2(less.tokens))
        for less, more in combinations(points, 2)
        if more.tokens != less.tokens
    ]
    return sum(slopes) / len(slopes) if slopes else None


def performance(runs: Sequence[CurvePoint]) -> float:
    """The best accuracy."""
    return max(run.accuracy for run in runs)
