"""The selections as a stage: the same seed gives the same rows, and every ablation its own."""

import pytest

from curation.errors import CurationError
from curation.row import Row
from curation.select.candidate import length_in
from curation.select.stage import SELECTIONS, Select
from server.reasoning.records import Trace
from tests.curation.rows import a_row, kept, reasons

ROWS = [
    a_row(
        id=f"{at:03d}",
        domain=f"d{at % 7 if at > 50 else 0}",
        thinking="x " * at,
        source="aime",
        correct=False,
    )
    for at in range(200)
]


def chosen(selection: str, rows: list[Row] = ROWS, seed: int = 0, wanted: int = 30) -> list[str]:
    return kept(list(Select(selection, wanted, seed, "words")(rows)))


@pytest.mark.parametrize("selection", SELECTIONS)
def test_the_same_seed_chooses_the_same_rows_whatever_their_order(selection: str) -> None:
    assert sorted(chosen(selection)) == sorted(chosen(selection, ROWS[::-1]))


@pytest.mark.parametrize("selection", ["paper", "notebook", "random", "diverse"])
def test_another_seed_chooses_other_rows(selection: str) -> None:
    assert chosen(selection) != chosen(selection, seed=1)


def test_longest_takes_the_longest_and_full_takes_all() -> None:
    assert chosen("longest") == [f"{at:03d}" for at in range(170, 200)]
    assert len(chosen("full")) == 200


def test_diverse_spreads_over_domains_where_random_follows_the_pool() -> None:
    crowd = [a_row(id=f"c{at:03d}", domain="crowd", thinking="x") for at in range(900)]
    rows = [*crowd, *(a_row(id=f"r{at:03d}", domain="rare", thinking="x") for at in range(100))]
    assert sum(one.startswith("r") for one in chosen("diverse", rows, wanted=100)) > 30
    assert sum(one.startswith("r") for one in chosen("random", rows, wanted=100)) < 25


def test_what_is_not_selected_is_dropped_as_such() -> None:
    outcomes = list(Select("random", 30, 0, "words")(ROWS))
    assert set(reasons(outcomes).values()) == {"not_selected"}
    assert len(outcomes) == 200


def test_length_is_measured_in_the_unit_that_was_asked_for() -> None:
    trace = Trace("1", "one two three", "a", thinking_tokens=7)
    assert [length_in(unit)(trace) for unit in ("characters", "words", "reported")] == [13, 3, 7]
    with pytest.raises(CurationError, match="its trace says no number of tokens"):
        length_in("reported")(Trace("1", "one", "a"))
