"""Intervals agree with other people's code, and pairs are compared as pairs."""

import pytest
from scipy.stats import binomtest

from evals.stats.intervals import mcnemar, paired_bootstrap, wilson


@pytest.mark.parametrize(("right", "n"), [(0, 10), (1, 10), (17, 30), (10, 10), (731, 1000)])
def test_wilson_is_scipys_wilson(right: int, n: int) -> None:
    theirs = binomtest(right, n).proportion_ci(0.95, method="wilson")
    assert wilson(right, n) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_nothing_seen_says_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


def test_the_bootstrap_compares_problem_by_problem() -> None:
    ours = [1.0, 0.0] * 50
    theirs = [0.0, 1.0] * 50
    assert paired_bootstrap(ours, ours, seed=1) == (0.0, 0.0, 0.0)
    mean, low, high = paired_bootstrap(ours, theirs, seed=1)
    assert mean == 0
    assert low < -0.15
    assert high > 0.15


def test_the_bootstrap_interval_is_as_wide_as_the_normal_one() -> None:
    ours = [1.0] * 60 + [0.0] * 40
    theirs = [0.0] * 100
    mean, low, high = paired_bootstrap(ours, theirs, seed=0)
    half = 1.96 * (0.6 * 0.4 / 100) ** 0.5
    assert mean == pytest.approx(0.6)
    assert low == pytest.approx(0.6 - half, abs=0.015)
    assert high == pytest.approx(0.6 + half, abs=0.015)


def test_the_same_seed_gives_the_same_interval() -> None:
    ours, theirs = [1.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 0.0]
    assert paired_bootstrap(ours, theirs, seed=3) == paired_bootstrap(ours, theirs, seed=3)


@pytest.mark.parametrize(("ours", "theirs"), [([1.0], []), ([], []), ([1.0, 0.0], [1.0])])
def test_scores_that_do_not_pair_are_refused(ours: list[float], theirs: list[float]) -> None:
    with pytest.raises(ValueError, match="not paired"):
        paired_bootstrap(ours, theirs, seed=0)


@pytest.mark.parametrize(
    ("only_a", "only_b"), [(0, 0), (3, 9), (480, 540), (500, 530), (2000, 2200), (0, 3000)]
)
def test_mcnemar_is_scipys_exact_binomial_at_any_number_of_problems(only_a: int, only_b: int) -> None:
    theirs = binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    assert mcnemar(only_a, only_b) == pytest.approx(theirs, rel=1e-9)
