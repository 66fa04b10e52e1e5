"""Several samplings in one folder are arms of their own: compared with their own natural stop, and told."""

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from evals.cell import Cell, Sampling
from evals.methods import NATURAL, Arm
from evals.report import report
from evals.report.measured import Group, groups_of
from evals.report.read import read_runs
from evals.row import ResultRow
from tests.evals.report.test_report import arm, cell_of, row, store

Cells = dict[Cell, Sequence[ResultRow]]


def cell(one: Arm, temperature: float, top_p: float = 1.0, seed: int = 0, repeat: int = 0) -> Cell:
    return replace(cell_of(one, repeat), sampling=Sampling(temperature, top_p, seed, None))


def right(number: int, tokens: int = 50) -> list[ResultRow]:
    """Twenty rows, the first `number` of them right."""
    return [row(n, n < number, tokens) for n in range(20)]


def sampling(temperature: float, stop: int, hot: float, voted: int) -> Cells:
    """The natural stop, a maximum, Waits and four samples, with so many of 20 right."""
    cells: Cells = {
        cell(NATURAL, temperature): right(stop),
        cell(arm("max", "16"), temperature): right(stop - 5, 16),
        cell(arm("waits", "1"), temperature): right(stop + 5, 100),
    }
    return cells | {cell(arm("sample", "4"), hot, repeat=n): right(voted) for n in range(4)}


def group_of(out: Path, cells: Cells) -> Group:
    [found] = groups_of(read_runs(store(out, cells)))
    return found


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Greedy: 10 right at the natural stop, 8 by votes; at 0.7: 5 and 12."""
    return store(tmp_path / "out", sampling(0.0, 10, 1.0, 8) | sampling(0.7, 5, 0.6, 12))


COLD, WARM = "temperature 0", "temperature 0.7"


def test_each_arm_is_compared_with_the_natural_stop_of_its_sampling(two: Path) -> None:
    [group] = groups_of(read_runs(two))
    found = {one.label: one for one in group.arms}
    assert [*found] == [f"{name}, {told}" for told in (COLD, WARM) for name in ("none", "max=16", "waits=1")]
    for told, stop in ((COLD, 50.0), (WARM, 25.0)):
        assert found[f"none, {told}"].accuracy == stop
        for name, difference in (("max=16", -25.0), ("waits=1", 25.0)):
            against = found[f"{name}, {told}"].against_natural
            assert against is not None
            assert against[0] == pytest.approx(difference)


def test_each_set_of_samples_has_its_votes(two: Path) -> None:
    [group] = groups_of(read_runs(two))
    assert [(vote.told, vote.k) for vote in group.votes] == [
        (told, k) for told in ("temperature 1", "temperature 0.6") for k in (1, 2, 4)
    ]
    assert [vote.majority for vote in group.votes] == pytest.approx([40.0] * 3 + [60.0] * 3)


def test_the_measures_are_of_one_sampling_each(two: Path) -> None:
    [group] = groups_of(read_runs(two))
    found = {one.name: (one.runs, one.performance) for one in group.methods}
    assert found == {
        f"{name}, {told}": (runs, best)
        for told, best, low in ((COLD, 75.0, 25.0), (WARM, 50.0, 0.0))
        for name, runs, best in (
            ("budget forcing (max + waits)", 3, best),
            ("max", 1, low),
            ("waits", 2, best),
        )
    }


def test_no_two_lines_of_a_table_or_of_the_csv_have_one_name(two: Path) -> None:
    text = report(two)
    for line in (f"Best with Waits: waits=1, {COLD}, 75.0%", f"Best with Waits: waits=1, {WARM}, 50.0%"):
        assert line in text
    assert "40.0% with k=2, temperature 1 (100 tokens). " in text
    assert "60.0% with k=2, temperature 0.6 (100 tokens)." in text
    tables = [part.splitlines() for part in text.split("\n\n") if part.startswith("| ")]
    for lines in [
        *tables,
        *((two / name).read_text().splitlines() for name in ("scaling.csv", "lengths.csv")),
    ]:
        assert len(set(lines)) == len(lines)
    for lines in tables:
        assert len({line.split("|")[1] for line in lines}) == len(lines)
    arms = [line["arm"] for line in csv.DictReader(io.StringIO((two / "scaling.csv").read_text()))]
    assert len(set(arms)) == len(arms) == 12
    assert "majority=4, temperature 0.6" in arms


def test_the_picture_has_a_line_for_each_sampling(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.figure import Figure

    drawn: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *_, **__: drawn.append(self))
    report(two)
    legend = drawn[0].axes[0].get_legend()
    assert legend is not None
    titles = [text.get_text() for text in legend.get_texts()]
    assert sorted(titles) == sorted(
        [
            *(
                f"{name}, {told}"
                for told in (COLD, WARM)
                for name in ("Maximum budget", "Wait", "Natural stop")
            ),
            *(f"Majority of k samples, temperature {value}" for value in ("1", "0.6")),
        ]
    )


def test_another_top_p_is_another_arm(tmp_path: Path) -> None:
    group = group_of(tmp_path / "out", {cell(NATURAL, 0.7): right(20), cell(NATURAL, 0.7, 0.5): right(0)})
    assert [(one.label, one.answers, one.accuracy) for one in group.arms] == [
        ("none, top-p 1", 20, 100.0),
        ("none, top-p 0.5", 20, 0.0),
    ]


def test_seeds_of_one_sampling_are_repeats(tmp_path: Path) -> None:
    cells: Cells = {cell(NATURAL, 0.7, seed=seed): right(10 * seed) for seed in range(3)}
    cells |= {cell(arm("sample", "2"), 1.0, seed=seed, repeat=n): right(5) for seed in (0, 1) for n in (0, 1)}
    group = group_of(tmp_path / "out", cells)
    assert [(one.label, one.problems, one.answers, one.accuracy) for one in group.arms] == [
        ("none", 20, 60, 50.0)
    ]
    assert [vote.k for vote in group.votes] == [1, 2, 4]


def test_an_arm_that_must_sample_is_compared_with_the_only_natural_stop(tmp_path: Path) -> None:
    must = cell(arm("reject", "40"), 1.0)
    cells: Cells = {cell(NATURAL, 0.0): right(10), must: right(15)}

    def difference(name: str, cells: Cells) -> float | None:
        group = group_of(tmp_path / name, cells)
        [against] = [one.against_natural for one in group.arms if one.arm.sampled]
        return against[0] if against else None

    assert difference("one", cells) == pytest.approx(25)
    assert difference("other top-p", cells | {cell(NATURAL, 0.0, 0.5): right(0)}) == pytest.approx(25)
    assert difference("two", cells | {cell(NATURAL, 0.7): right(0)}) is None
    assert difference("own", cells | {cell(NATURAL, 1.0): right(5)}) == pytest.approx(50)


def test_an_arm_without_a_natural_stop_of_its_sampling_is_compared_with_none(tmp_path: Path) -> None:
    cells: Cells = {cell(NATURAL, 0.0): right(10), cell(arm("waits", "1"), 0.7): right(15, 100)}
    _, waits = group_of(tmp_path / "out", cells).arms
    assert (waits.label, waits.against_natural, waits.control) == ("waits=1, temperature 0.7", None, None)


def test_what_is_not_finished_is_named_with_its_sampling(two: Path) -> None:
    sealed = two / "cells" / f"{cell(arm('max', '16'), 0.7).name}.jsonl"
    sealed.rename(sealed.with_suffix(".part.jsonl"))
    assert report(two).endswith("not in the tables of nano, m: max=16, temperature 0.7.")
