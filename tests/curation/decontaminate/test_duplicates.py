"""The pool asks every question once."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.decontaminate.duplicates import Duplicates, likeness, runs_of
from curation.decontaminate.same import bare
from curation.row import Row
from tests.curation.rows import a_row, kept, reasons
from tests.examples import examples

LONG = (
    "A rectangular band formation is a formation with $m$ band members in each of $r$ rows, "
    "where $m$ and $r$ are integers. A particular band has less than 100 band members. How many are there?"
)


def rows_of(*questions: str) -> list[Row]:
    return [a_row(question, id=str(at)) for at, question in enumerate(questions)]


def test_the_same_question_in_other_dress_is_a_duplicate_and_the_first_stays() -> None:
    outcomes = list(Duplicates()(rows_of("Find $x + 1$.", "Find  x+1", "Find $x - 1$.")))
    assert (kept(outcomes), reasons(outcomes)) == (["0", "2"], {"1": "duplicate"})


def test_nearly_the_same_words_with_the_same_numbers_are_a_near_duplicate() -> None:
    outcomes = list(Duplicates()(rows_of(LONG, LONG.replace("How many", "So how many"))))
    assert reasons(outcomes) == {"1": "near_duplicate"}


def test_the_same_words_with_other_numbers_are_another_problem() -> None:
    assert kept(list(Duplicates()(rows_of(LONG, LONG.replace("100", "101"))))) == ["0", "1"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Find $A$ for $a=2$", "Find $a$ for $A=2$"),
        ("How many zeros are at the end of 10! in base 2?", "How many zeros are at the end of 10 in base 2?"),
    ],
)
def test_other_variables_and_factorials_are_another_problem(one: str, other: str) -> None:
    assert kept(list(Duplicates()(rows_of(one, other)))) == ["0", "1"]


def test_near_duplicates_can_be_let_pass() -> None:
    assert kept(list(Duplicates(near=False)(rows_of(LONG, LONG.replace("How", "So how"))))) == ["0", "1"]


def test_of_a_chain_of_near_duplicates_only_rows_that_stay_count() -> None:
    words = [f"w{chr(97 + at // 26)}{chr(97 + at % 26)}" for at in range(80)]
    second = [*words[:74], "x", "y", "z", "q", "r", "s"]
    third = [*second[6:], "k", "l", "m", "n", "o", "p"]
    questions = [" ".join(one) for one in (words, second, third)]
    assert likeness(runs_of(questions[0]), runs_of(questions[2])) < 0.8
    assert likeness(runs_of(questions[1]), runs_of(questions[2])) >= 0.8
    assert kept(list(Duplicates()(rows_of(*questions)))) == ["0", "2"]


def test_a_duplicate_of_a_dropped_row_names_a_row_that_is_there() -> None:
    outcomes = list(Duplicates()(rows_of("One?", "one?", "ONE?")))
    assert [getattr(one, "detail", "") for one in outcomes] == [
        "",
        "same question as 0",
        "same question as 0",
    ]


def test_short_and_empty_token_lists_are_no_trouble() -> None:
    assert kept(list(Duplicates()(rows_of("x", "y", "?", "!")))) == ["0", "1", "2"]


def test_an_empty_pool_has_no_duplicates() -> None:
    assert list(Duplicates()([])) == []


@settings(max_examples=examples(50))
@given(st.lists(st.text("ab1 $+", max_size=6), max_size=30))
def test_no_two_rows_that_stay_are_the_same_but_for_dress(questions: list[str]) -> None:
    rows = rows_of(*questions)
    stayed = [bare(rows[int(at)].problem.question) for at in kept(list(Duplicates()(rows)))]
    assert len(set(stayed)) == len(stayed)


@pytest.mark.parametrize("similar", [0.8, 0.9, 0.95])
def test_buckets_miss_few_pairs_above_the_threshold(similar: float) -> None:
    words = [f"w{chr(97 + at % 26)}{chr(97 + at // 26)}" for at in range(300)]
    changed = round(300 * (1 - similar) / 2 / 1.5)
    found = 0
    for shift in range(20):
        one = [f"{word}{chr(97 + shift)}" for word in words]
        other = [*one[:-changed], *("z" + word for word in one[-changed:])]
        pair = rows_of(" ".join(one), " ".join(other))
        assert likeness(*(runs_of(row.problem.question) for row in pair)) >= similar
        found += len(reasons(list(Duplicates()(pair))))
    assert found >= 19
