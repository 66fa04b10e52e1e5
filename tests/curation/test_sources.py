"""Every source reads three rows of its documented schema, by its own rules."""

import json
from collections.abc import Callable
from csv import DictWriter
from pathlib import Path

import pytest
from numpy import array

from curation.pool import PoolSpec, collect, row_of
from curation.reader import Raw, read_raw
from curation.row import Dropped, Row
from curation.sources import SOURCES
from curation.sources.sample import sampled
from curation.sources.source import Columns

FIXTURES = Path(__file__).parent / "fixtures" / "sources"


def outcomes(name: str) -> list[Row | Dropped]:
    raws = read_raw(FIXTURES / f"{name}.jsonl")
    source = SOURCES[name]
    return [row_of(source, raw) for raw in raws if source.wanted(raw.columns or {})]


def rows(name: str) -> list[Row]:
    return [one for one in outcomes(name) if isinstance(one, Row)]


PAPERS = {
    *("math", "olympic_arena", "theoremqa", "numinamath", "omni_math", "scieval", "olympiad_bench"),
    *("jeebench", "agieval", "s1_prob", "gpqa", "xword", "usaco", "s1_teasers", "live_code_bench", "aime"),
}


def test_the_sixteen_of_the_paper_are_there() -> None:
    assert sorted(PAPERS - set(SOURCES)) == [], "curation/sources/__init__.py: SOURCES lacks these"


def test_every_source_has_a_fixture() -> None:
    without = sorted(set(SOURCES) - {path.stem for path in FIXTURES.iterdir()})
    assert without == [], f"{FIXTURES}: no NAME.jsonl with rows of the data set for these sources"


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_makes_problems_with_question_source_licence_and_origin(name: str) -> None:
    found = rows(name)
    assert found
    for row in found:
        assert row.problem.question.strip()
        assert row.problem.source == name
        assert row.problem.id.startswith(f"{name}/")
        assert row.licence
        assert row.published_as
        assert json.loads(row.metadata) is not None


WITHOUT_REFERENCE = {"usaco", "live_code_bench"}


@pytest.mark.parametrize("name", sorted(set(SOURCES) - WITHOUT_REFERENCE))
def test_a_source_has_a_reference_for_every_problem(name: str) -> None:
    assert all(row.problem.solution for row in rows(name))


@pytest.mark.parametrize("name", sorted(WITHOUT_REFERENCE))
def test_programming_contests_have_no_reference(name: str) -> None:
    assert not any(row.problem.solution or row.problem.answer for row in rows(name))


def told(outcome: Row | Dropped) -> list[object]:
    if isinstance(outcome, Dropped):
        return [outcome.reason]
    one = outcome.problem
    return [outcome.kind, one.question, one.answer, one.solution, one.domain, one.choices]


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("write", [str, json.dumps, lambda value: str(array(value, dtype=object))])
def test_a_source_reads_its_rows_as_csv_as_well(
    tmp_path: Path, name: str, write: Callable[[object], str]
) -> None:
    raws = [raw.columns or {} for raw in read_raw(FIXTURES / f"{name}.jsonl")]
    path = tmp_path / f"{name}.csv"
    with path.open("w", newline="") as file:
        writer = DictWriter(file, list(dict.fromkeys(key for columns in raws for key in columns)))
        writer.writeheader()
        for columns in raws:
            writer.writerow({key: _written(value, write) for key, value in columns.items()})
    found = [row_of(SOURCES[name], raw) for raw in read_raw(path)]
    assert [told(one) for one in found] == [told(row_of(SOURCES[name], Raw("x:1", one))) for one in raws]


def _written(value: object, write: Callable[[object], str]) -> object:
    if isinstance(value, list):
        return write(value)
    return json.dumps(value) if isinstance(value, bool) else value


@pytest.mark.parametrize("column", ["options", "domain"])
def test_a_list_that_cannot_be_read_drops_its_row_with_the_reason(column: str) -> None:
    name = {"options": "agieval", "domain": "omni_math"}[column]
    columns = {"question": "Which?", "problem": "Which?", "label": "A", column: "['(A)1' ... '(B)2']"}
    outcome = row_of(SOURCES[name], Raw("x:1", columns))
    assert isinstance(outcome, Dropped)
    assert (outcome.reason, f"{column} is no list but " in outcome.detail) == ("not_of_this_source", True)


LEFT_OUT = [
    ("aime", "of 2022: after 2021"),
    ("theoremqa", "needs its picture"),
    ("olympic_arena", "ZH text-only"),
    ("agieval", "MATH of level 3"),
    ("live_code_bench", "its difficulty is easy"),
    ("scieval", "no answer"),
]


@pytest.mark.parametrize(("name", "why"), LEFT_OUT)
def test_a_source_leaves_out_what_its_own_rule_says(name: str, why: str) -> None:
    left = [one.detail for one in outcomes(name) if isinstance(one, Dropped) and one.reason == "left_out"]
    assert len(left) == 1
    assert left[0].endswith(why)


def test_numinamath_takes_the_forum_from_the_large_set_and_everything_pinned() -> None:
    assert [row.published_as.rpartition("/")[2] for row in rows("numinamath")] == ["aops_forum", "olympiads"]


def test_numinamaths_rows_of_another_origin_are_counted_and_kept_in_short() -> None:
    spec = PoolSpec({"numinamath": (FIXTURES / "numinamath.jsonl",)}, (), 0)
    found = list(collect(spec))
    [other] = [one for one in found if isinstance(one, Dropped)]
    assert (other.reason, other.detail.partition("jsonl:")[2]) == ("other_origin", "2: cn_k12")
    assert other.row.problem.id == f"{FIXTURES / 'numinamath.jsonl'}:2"
    assert 0 < len(other.row.metadata) <= 200
    assert len(found) == 3


def test_olympiad_bench_keeps_the_context_that_the_original_forgot() -> None:
    assert rows("olympiad_bench")[0].problem.question.startswith("A ball rolls.\n\nHow far")


def test_gpqa_offers_its_choices_in_an_order_that_depends_on_the_question_alone() -> None:
    raw = {
        "Question": "Which of these numbers is even?",
        "Correct Answer": "four",
        "Incorrect Answer 1": "one",
        "Incorrect Answer 2": "three",
        "Incorrect Answer 3": "five",
        "Explanation": "It halves.",
        "High-level domain": "Physics",
        "Record ID": "rec0",
    }
    first, second = (row_of(SOURCES["gpqa"], Raw("x:1", dict(raw))) for _ in range(2))
    assert isinstance(first, Row)
    assert first == second
    letter = first.problem.answer
    assert first.problem.choices["ABCD".index(letter)] == f"({letter}) four"
    assert first.problem.solution == f"It halves.\n\nAnswer: {letter}"


def test_a_subject_of_the_source_becomes_a_domain_without_a_call() -> None:
    assert [row.problem.domain for row in rows("math")] == ["12", "51", "05"]
    assert rows("omni_math")[0].problem.domain == "11"
    assert rows("theoremqa")[0].problem.domain == "05"
    assert rows("aime")[0].problem.domain == ""


def test_a_sampled_source_takes_its_number_evenly_over_its_groups_in_any_order() -> None:
    def raws(order: range) -> list[tuple[Columns, Row | Dropped]]:
        made: list[tuple[Columns, Row | Dropped]] = []
        for at in order:
            columns = {"question": f"Q{at}", "answer": ["A"], "task_name": f"T{at % 3}", "id": at}
            made.append((columns, row_of(SOURCES["scieval"], Raw(f"x:{at}", columns))))
        return made

    chosen = [
        {one.problem.id for one in sampled(SOURCES["scieval"], iter(raws(order)), 0) if isinstance(one, Row)}
        for order in (range(900), range(899, -1, -1))
    ]
    assert chosen[0] == chosen[1]
    assert len(chosen[0]) == 250
    by_task = [sum(int(one.rpartition("/")[2]) % 3 == task for one in chosen[0]) for task in range(3)]
    assert sorted(by_task) == [83, 83, 84]
