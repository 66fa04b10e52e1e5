"""The paper's Table 3 comes out of its Tables 12 to 14 and figures, to the printed precision."""

from collections.abc import Sequence

import pytest

from evals.stats.scaling import CurvePoint, control, kept, performance, scaling

# AIME24 has 30 questions; the paper prints fractions of 30 to a tenth of a percent.
QUESTIONS = 30


def exact(printed: float) -> float:
    return 100 * round(printed * QUESTIONS / 100) / QUESTIONS


def runs(
    tokens: Sequence[float],
    accuracy: Sequence[float],
    at_most: Sequence[float | None],
    at_least: Sequence[float | None] | None = None,
) -> list[CurvePoint]:
    least = at_least or [None] * len(tokens)
    return [
        CurvePoint(t, exact(a), low, high)
        for t, a, low, high in zip(tokens, accuracy, least, at_most, strict=True)
    ]


POWERS = (1024, 2048, 4096, 8192, 16384)
STEPS = (1600, 3200, 6400, 12800, 25600)  # 100 tokens a step, for 16 to 256 steps
# Figure 1; the last three are the natural stop and two and four Waits, which have no maximum.
FORCING = runs(
    (500, 1000, 2000, 3933, 5300, 6657, 7320),
    (0, 13.3, 30.0, 43.3, 50.0, 53.3, 56.7),
    (500, 1000, 2000, 4000, None, None, None),
)
# Table 12.
TOKEN = runs((7939, 7158, 8263, 7108, 7500), (26.7, 30.0, 33.3, 33.3, 40.0), POWERS)
TOKEN_FORCED = runs((1024, 2048, 4031, 5664, 6330), (3.3, 30.0, 33.3, 33.3, 40.0), POWERS)
# Table 13.
STEP = runs((7252, 6277, 5396, 5552, 7551), (33.3, 23.3, 33.3, 36.7, 33.3), STEPS)
STEP_FORCED = runs((1517, 2963, 4636, 5409, 7551), (23.3, 23.3, 33.3, 36.7, 33.3), STEPS)
# Table 14: short must think less, long more, than the 6109 tokens without such words.
CLASS = runs((8033, 9651), (30.0, 36.7), (6109, None), (None, 6109))
# The figure of rejection sampling has six limits. The printed |A| = 5 and Scaling come out without the
# smallest,
# whose 655 tries the paper discusses apart; the printed Performance is that smallest limit's.
REJECTION = runs(
    (2974, 3703, 4344, 4734, 5193, 5293),
    (40.0, 36.7, 33.3, 30.0, 26.7, 23.3),
    (3500, 4000, 5000, 6000, 8000, 16000),
)


@pytest.mark.parametrize(
    ("method", "table_control", "table_scaling", "table_performance"),
    [
        pytest.param(FORCING, 100, 15, 56.7, id="budget forcing"),
        pytest.param(TOKEN, 40, -24, 40.0, id="token-conditional"),
        pytest.param(TOKEN_FORCED, 100, 13, 40.0, id="token-conditional, forced"),
        pytest.param(STEP, 60, 3, 36.7, id="step-conditional"),
        pytest.param(STEP_FORCED, 100, 6, 36.7, id="step-conditional, forced"),
        pytest.param(CLASS, 50, 25, 36.7, id="class-conditional"),
        pytest.param(REJECTION[1:], 100, -35, 36.7, id="rejection sampling, five limits"),
    ],
)
def test_table_3_comes_out_to_the_printed_precision(
    method: list[CurvePoint], table_control: int, table_scaling: int, table_performance: float
) -> None:
    found_control, found_scaling = control(method), scaling(method)
    assert found_control is not None
    assert found_scaling is not None
    assert round(found_control) == table_control
    assert round(found_scaling) == table_scaling
    assert round(performance(method), 1) == table_performance


def test_rejection_samplings_best_is_at_its_smallest_limit() -> None:
    assert round(performance(REJECTION), 1) == 40.0
    assert control(REJECTION) == 100


def test_scaling_is_the_gain_of_one_doubling() -> None:
    assert scaling([CurvePoint(100, 10), CurvePoint(200, 17)]) == pytest.approx(7)
    assert scaling([CurvePoint(200, 17), CurvePoint(100, 10)]) == pytest.approx(7)
    assert scaling([CurvePoint(100, 10), CurvePoint(400, 24)]) == pytest.approx(7)


def test_scaling_weighs_every_pair_alike() -> None:
    # Slopes 10 (1 to 2), 0 (2 to 4) and 5 (1 to 4).
    assert scaling([CurvePoint(1, 0), CurvePoint(2, 10), CurvePoint(4, 10)]) == pytest.approx(5)


def test_scaling_counts_a_point_once() -> None:
    once = [CurvePoint(100, 10), CurvePoint(200, 10), CurvePoint(400, 20)]
    assert scaling([*once, CurvePoint(400, 20, None, 512)]) == scaling(once) == pytest.approx(5)


def test_scaling_leaves_out_runs_without_thinking_and_pairs_without_difference() -> None:
    assert scaling(
        [CurvePoint(0, 0), CurvePoint(100, 10), CurvePoint(100, 12), CurvePoint(200, 17)]
    ) == pytest.approx(6)
    assert scaling([CurvePoint(0, 0), CurvePoint(100, 10)]) is None
    assert scaling([CurvePoint(100, 10), CurvePoint(100, 12)]) is None


def test_control_counts_only_runs_that_promised_a_limit() -> None:
    assert control([CurvePoint(5, 0, None, 5), CurvePoint(6, 0, None, 5), CurvePoint(7, 0)]) == 50
    assert control([CurvePoint(7, 0)]) is None


def test_the_limits_themselves_are_kept() -> None:
    assert kept(5, 5, 5)
    assert not kept(4, 5, None)
    assert not kept(6, None, 5)
