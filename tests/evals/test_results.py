"""The stored results of s1-nano are whole, their tables are reproduced from their rows, and they show
what is claimed.
"""

from functools import cache
from pathlib import Path

import pytest

from evals.report.figure import _points
from evals.report.measured import Group, groups_of
from evals.report.read import read_runs
from evals.report.table import csv_of, tables_of
from server.scaling.methods.table import METHODS

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "evals" / "results"
SWEEPS = pytest.mark.parametrize("name", ["nano", "methods"])


@cache
def stored(name: str) -> Group:
    [found] = groups_of(read_runs(RESULTS / name))
    return found


@pytest.fixture(scope="module")
def group() -> Group:
    return stored("nano")


@SWEEPS
def test_the_stored_tables_come_from_the_stored_rows(name: str) -> None:
    group, out = stored(name), RESULTS / name
    assert (out / "report.md").read_text(encoding="utf-8") == tables_of(group) + "\n"
    assert (out / "scaling.csv").read_text(encoding="utf-8") == csv_of([group])


@SWEEPS
def test_every_point_has_a_thousand_problems_and_no_failure(name: str) -> None:
    group = stored(name)
    assert all(one.graded == one.problems >= 1000 and one.errors == 0 for one in group.arms)
    assert all(vote.problems >= 1000 for vote in group.votes)


def test_the_readmes_table_of_methods_is_the_stored_one() -> None:
    text = (ROOT / "evals" / "README.md").read_text(encoding="utf-8")
    table = text[text.index("| method | accuracy % (95% interval) | thinking tokens") :].partition("\n\n")[0]
    told = {tuple(line.split("|")[2:4]) for line in table.splitlines()[2:]}
    known = {
        (f" {one.accuracy:.1f} ({one.low:.1f} to {one.high:.1f}) ", f" {one.tokens:.1f} ")
        for one in stored("methods").arms
    }
    assert len(told) >= 20
    assert told <= known


def test_every_method_of_the_server_is_among_the_arms() -> None:
    measured = {one.kind for one in stored("methods").arms}
    asked_by_words = {"token_conditional", "step_conditional", "class_conditional"}  # arms of their own
    missing = sorted(METHODS.keys() - asked_by_words - measured)
    assert missing == [], "evals/run_all_methods.sh, evals/results/methods: these methods are not measured"


def test_search_with_the_trained_scorer_beats_voting_at_no_more_tokens_and_the_intervals_part() -> None:
    group = stored("methods")
    [search] = group.line("mcts")
    [best] = [one for one in group.line("best_of_n") if one.arm.name == "best_of_n:8:scorer=trained"]
    assert search.tokens is not None
    for other in (*group.line("majority"), best):
        assert other.tokens is not None
        assert search.low > other.high + 5
        assert search.tokens < 1.01 * other.tokens


def test_accuracy_rises_with_the_maximum_budget(group: Group) -> None:
    accuracies = [one.accuracy for one in group.line("max")]
    assert accuracies == sorted(accuracies)
    assert accuracies[-1] - accuracies[0] > 40


def test_waits_raise_accuracy_by_ten_points_and_the_intervals_part(group: Group) -> None:
    [natural] = group.naturals
    assert 40 <= natural.accuracy <= 70
    best = max(group.line("waits"), key=lambda one: one.accuracy)
    assert best.accuracy >= 85
    assert best.accuracy - natural.accuracy >= 10
    assert best.low > natural.high


@pytest.mark.parametrize(
    ("method", "labels"),
    [
        ("majority", {"4", "8", "total_tokens=256"}),
        ("best_of_n", {"likelihood", "trained", "8"}),
        ("beam", {"likelihood", "trained"}),
        ("rebase", {"likelihood", "trained"}),
        ("deepconf", {"", "every=16"}),
        ("auto", {"patience=2", "patience=3", "entropy", "num_waits=4", "margin"}),
        ("mcts", {""}),
    ],
)
def test_point_is_labelled_with_what_tells_it_from_the_methods_others(method: str, labels: set[str]) -> None:
    assert {point.label for point in _points(stored("methods").line(method))} == labels
