"""Group confidence and percentiles are what slow, obvious versions say."""

from math import inf
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.scaling.confidence import GroupConfidence, percentile, token_confidence

LOGPROBS = st.lists(st.floats(-20, 0), min_size=1, max_size=6).map(lambda found: sorted(found, reverse=True))
LINES = st.lists(LOGPROBS, max_size=40)


def obvious(line: list[list[float]], window: int, k: int) -> tuple[float, float]:
    """The line's confidence, and the lowest of its whole windows."""
    tokens = [-sum(each[:k]) / len(each[:k]) for each in line]
    groups = [fmean(tokens[at : at + window]) for at in range(len(tokens) - window + 1)]
    whole = min(groups, default=float("inf"))
    return (whole if groups else fmean(tokens) if tokens else 0.0), whole


@given(line=LINES, window=st.integers(1, 12), k=st.integers(1, 6), pieces=st.integers(1, 9))
def test_the_lowest_group_is_the_same_in_whatever_pieces_the_line_comes(
    line: list[list[float]], window: int, k: int, pieces: int
) -> None:
    group = GroupConfidence(window, k)
    positions = [dict(enumerate(each)) for each in line]
    for at in range(0, len(positions), pieces):
        group.add(positions[at : at + pieces])
    assert (group.lowest, group.lowest_whole) == pytest.approx(obvious(line, window, k))


def test_a_token_that_takes_all_is_confident_and_one_among_equals_is_not() -> None:
    sure = {1: -0.001, 2: -9.0, 3: -9.5}
    torn = {1: -1.1, 2: -1.1, 3: -1.1}
    assert token_confidence(sure, 3) > 6 > 1.1 == pytest.approx(token_confidence(torn, 3))


@given(values=st.lists(st.floats(-50, 50), min_size=1, max_size=20), percent=st.floats(0, 100))
def test_a_percentile_is_numpys(values: list[float], percent: float) -> None:
    assert percentile(values, percent) == pytest.approx(float(np.percentile(values, percent)), abs=1e-9)


def test_masked_token_says_nothing_of_confidence() -> None:
    assert token_confidence({7: -0.5, 8: -1.5, 9: -inf}, 3) == 1.0
    assert token_confidence({9: -inf}, 3) == 0.0
