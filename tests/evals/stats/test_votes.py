"""The majority decides over all subsets, ties are shared, and pass@k is what drawing k of n would give."""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.stats.votes import GradedSample, ballots_of, majority_at, pass_at

RIGHT, SILENT = 7, None


def voted(*ballots: int | None) -> list[GradedSample]:
    return [GradedSample(ballot, float(ballot == RIGHT)) for ballot in ballots]


def by_hand(k: int, samples: Sequence[GradedSample]) -> float:
    """Every subset is drawn and counted."""
    draws = [[one.ballot for one in draw if one.ballot is not None] for draw in combinations(samples, k)]
    won = 0.0
    for draw in draws:
        votes = Counter(draw)
        best = [ballot for ballot, count in votes.items() if count == max(votes.values())]
        won += (RIGHT in best) / len(best) if best else 0.0
    return won / len(draws)


@given(st.lists(st.sampled_from([1, 2, 3, RIGHT, SILENT]), min_size=1, max_size=8), st.data())
def test_the_majority_is_that_of_all_subsets(ballots: list[int | None], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(ballots)))
    samples = voted(*ballots)
    assert majority_at(k, samples) == pytest.approx(by_hand(k, samples))
    assert majority_at(1, samples) == pytest.approx(pass_at(1, ballots.count(RIGHT), len(ballots)))


def test_the_most_frequent_answer_wins_though_it_is_wrong() -> None:
    assert majority_at(3, voted(RIGHT, 5, 5)) == 0.0
    assert majority_at(3, voted(5, RIGHT, RIGHT)) == 1.0


def test_the_order_of_the_samples_decides_nothing() -> None:
    assert majority_at(2, voted(RIGHT, 5)) == majority_at(2, voted(5, RIGHT)) == 0.5


def test_silence_has_no_vote_and_nothing_but_silence_scores_nothing() -> None:
    assert majority_at(4, voted(SILENT, SILENT, SILENT, RIGHT)) == 1.0
    assert majority_at(2, voted(SILENT, SILENT)) == 0.0


def test_many_samples_are_counted_exactly_without_drawing_them() -> None:
    samples = voted(*[RIGHT] * 33, *[1] * 31)
    assert majority_at(63, samples) == 1.0
    assert 0.5 < majority_at(9, samples) < majority_at(31, samples) < 1.0


def test_answers_are_put_together_as_the_server_puts_them_together() -> None:
    [halves, units, silent] = ballots_of(
        [["3", r"\frac12", "0.5", None, r"\frac{2}{4}"], ["5 km", "5 m", "5"], [None]]
    )
    assert halves == [0, 1, 1, None, 1]
    assert units == [0, 1, 0]
    assert silent == [None]


@pytest.mark.parametrize("right", range(6))
@pytest.mark.parametrize("k", range(1, 6))
def test_pass_at_k_is_the_share_of_draws_that_hold_a_right_one(k: int, right: int) -> None:
    draws = list(combinations([True] * right + [False] * (5 - right), k))
    assert pass_at(k, right, 5) == pytest.approx(sum(map(any, draws)) / len(draws))


@pytest.mark.parametrize("k", [0, 6])
def test_more_draws_than_samples_are_refused(k: int) -> None:
    with pytest.raises(ValueError, match="pass@"):
        pass_at(k, 1, 5)
    with pytest.raises(ValueError, match="majority@"):
        majority_at(k, voted(1, 1, 1, 1, 1))
