"""Algorithm 1: domains at random, longer thinking favoured by 2^-rank, in the paper's and the
notebook's way.
"""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.errors import CurationError
from curation.select.algorithm1 import algorithm1, benchmark_weights, rank
from curation.select.candidate import Candidate
from curation.select.preselect import preselected


def one(
    id: str, domain: str = "11", length: int = 100, source: str = "math", correct: bool | None = None
) -> Candidate:
    return Candidate(id, source, domain, length, correct)


def test_right_traces_of_aime_and_gpqa_are_preselected_and_long_right_ones_of_math() -> None:
    rows = [
        one("aime", source="aime", correct=True),
        one("aime wrong", source="aime", correct=False),
        one("aime ungraded", source="aime", correct=None),
        one("gpqa", source="gpqa", correct=True),
        one("math long", length=5601, correct=True),
        one("math at the limit", length=5600, correct=True),
        one("math long wrong", length=9000, correct=False),
        one("other", source="omni_math", length=9000, correct=True),
    ]
    assert [row.id for row in preselected(rows)] == ["aime", "gpqa", "math long"]


def test_rank_weights_are_two_to_the_minus_rank() -> None:
    rng, draws = Random(0), 40_000
    seen = Counter(rank(5, rng) for _ in range(draws))
    total = sum(2.0**-at for at in range(5))
    expected = [draws * 2.0**-at / total for at in range(5)]
    chi_square = sum((seen[at] - expected[at]) ** 2 / expected[at] for at in range(5))
    assert chi_square < 18.5  # 4 degrees of freedom, p = 0.001


def test_a_small_domain_is_drawn_as_often_as_a_large_one() -> None:
    rows = [one(f"b{at}", "big", at) for at in range(3000)] + [one(f"s{at}", "small") for at in range(300)]
    chosen = algorithm1(rows, [], 400, Random(1))
    drawn = Counter(row.domain for row in chosen)
    assert 150 <= drawn["small"] <= 250


def test_longer_thinking_is_favoured_within_a_domain() -> None:
    rows = [one(f"{at}", "d", at) for at in range(100)]
    firsts = [algorithm1(rows, [], 1, Random(seed))[0].length for seed in range(400)]
    assert Counter(firsts)[99] > 160  # half of them, less three standard errors
    assert min(firsts) > 80


def test_an_exhausted_domain_is_left_and_the_others_fill_up() -> None:
    rows = [one("only", "small")] + [one(f"{at}", "big") for at in range(20)]
    assert len(algorithm1(rows, [], 21, Random(0))) == 21
    assert len(algorithm1(rows, [], 50, Random(0))) == 21


def test_preselected_rows_are_in_once_and_count() -> None:
    rows = [one(str(at), "d", at) for at in range(10)]
    chosen = algorithm1(rows, rows[:4], 8, Random(0))
    assert [row.id for row in chosen[:4]] == ["0", "1", "2", "3"]
    assert len({row.id for row in chosen}) == 8


def test_the_notebook_follows_the_benchmarks_domains_after_its_first_part() -> None:
    rows = [one(f"a{at}", "geometry", source="aime") for at in range(300)]
    rows += [one(f"m{at}", f"d{at % 20}") for at in range(2000)]
    paper = Counter(row.domain for row in algorithm1(rows, [], 100, Random(0)))
    chosen = algorithm1(rows, [], 100, Random(0), benchmark_from=70)
    assert {row.domain for row in chosen[70:]} == {"geometry"}
    assert Counter(row.domain for row in chosen[:70])["geometry"] < 15
    assert paper["geometry"] < 15


def test_gpqa_weighs_half_of_aime_rounded_down_as_in_the_notebook() -> None:
    rows = [one(f"a{at}", "geometry", source="aime") for at in range(10)]
    rows += [one(f"g{at}", "quantum" if at < 3 else "geometry", source="gpqa") for at in range(4)]
    assert benchmark_weights(rows) == Counter({"geometry": 10 + 1, "quantum": 3})


def test_the_notebooks_way_without_aime_is_refused() -> None:
    with pytest.raises(CurationError, match="no row of AIME is left"):
        algorithm1([one("1")], [], 1, Random(0), benchmark_from=0)


CANDIDATES = st.lists(
    st.builds(
        Candidate,
        id=st.integers(0, 500).map(str),
        source=st.sampled_from(["math", "aime", "gpqa", "xword"]),
        domain=st.sampled_from("abcde"),
        length=st.integers(0, 50),
        correct=st.sampled_from([True, False, None]),
    ),
    unique_by=lambda row: row.id,
    max_size=60,
)


@given(CANDIDATES, st.integers(0, 70), st.integers(0, 5), st.randoms(use_true_random=False))
def test_it_always_gives_as_many_as_there_are_or_are_wanted_and_the_order_of_the_pool_is_nothing(
    rows: list[Candidate], wanted: int, seed: int, order: Random
) -> None:
    chosen = algorithm1(rows, [], wanted, Random(seed))
    assert len({row.id for row in chosen}) == len(chosen) == min(wanted, len(rows))
    shuffled = order.sample(rows, len(rows))
    assert algorithm1(shuffled, [], wanted, Random(seed)) == chosen
