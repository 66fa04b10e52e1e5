"""How sure a number is: Wilson's interval for an accuracy; paired bootstrap and McNemar for a difference."""

from collections.abc import Sequence
from math import comb, sqrt

import numpy as np

# The 97.5% point of the normal distribution.
Z95 = 1.959963984540054


def wilson(right: float, n: float) -> tuple[float, float]:
    """The 95% interval of `right` out of `n`, as fractions (Wilson 1927); (0, 1) for n = 0."""
    if n == 0:
        return 0.0, 1.0
    share, square = right / n, Z95 * Z95
    middle = (share + square / (2 * n)) / (1 + square / n)
    half = Z95 / (1 + square / n) * sqrt(share * (1 - share) / n + square / (4 * n * n))
    # At 0 and n the bound is exactly 0 or 1; rounding could put it slightly outside.
    return max(0.0, middle - half), min(1.0, middle + half)


def worth(scores: Sequence[Sequence[float]]) -> float:
    """The effective number of independent answers (Kish's effective sample size), from scores per problem.

    It is between the number of problems, where repeats of a problem agree, and the number of answers.
    """
    n, problems = float(sum(map(len, scores))), float(sum(map(bool, scores)))
    share = sum(map(sum, scores)) / n if n else 0.0
    if share in (0.0, 1.0):  # the variance between repeats cannot be estimated
        return problems
    spread = sum((sum(one) - share * len(one)) ** 2 for one in scores)
    return max(problems, min(n, n * n * share * (1 - share) / spread)) if spread else n


def paired_bootstrap(
    ours: Sequence[float], theirs: Sequence[float], seed: int, resamples: int = 10_000
) -> tuple[float, float, float]:
    """The mean difference and its 95% percentile interval, over problems drawn with replacement.

    Both were scored on the same problems in the same order. 10,000 resamples, as in the paper's Table 2.

    Raises:
        ValueError: The lengths differ, or there are no scores.
    """
    if len(ours) != len(theirs) or not ours:
        raise ValueError(f"not paired: {len(ours)} and {len(theirs)} scores")
    difference = np.asarray(ours, dtype=float) - np.asarray(theirs, dtype=float)
    # n draws of n differences are one multinomial draw of their distinct values, and many times as fast.
    values, counts = np.unique(difference, return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(len(difference), counts / len(difference), size=resamples)
    means = drawn @ values / len(difference)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(difference.mean()), float(low), float(high)


def mcnemar(only_a: int, only_b: int) -> float:
    """McNemar's exact two-sided p for the problems that only one of two runs solved (McNemar 1947).

    How likely so uneven a split is, were each run as likely to be the one.
    """
    n, fewer = only_a + only_b, min(only_a, only_b)
    # Of integers: 2**n is beyond a float from n = 1024.
    return min(1.0, 2 * sum(comb(n, k) for k in range(fewer + 1)) / (1 << n))
