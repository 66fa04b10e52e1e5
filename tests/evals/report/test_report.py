"""A report says what the rows say: accuracies, differences, votes and measures, in tables, CSV and a
picture.
"""

import csv
import io
import os
import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evals.cell import Cell, Sampling
from evals.journal import Journal
from evals.manifest import ManifestError, write
from evals.methods import METHODS, NATURAL, Arm
from evals.report import report
from evals.report.measured import Group, Measured, groups_of
from evals.report.read import ReportError, read_runs
from evals.row import ResultRow, RowError
from evals.settings import SweepSettings
from evals.stats.intervals import wilson
from evals.tasks import TASKS
from evals.trim import TrimError, trim
from server.reasoning.grading.pool import GradingProcess
from server.reasoning.records import Problem

PROBLEMS = [Problem(f"p{n}", f"q{n}", "7", domain="ab"[n % 2]) for n in range(20)]
ROW = ResultRow(
    *("p", "a", "q", "hm", "Final Answer: 7", "7", "Final Answer: 7", 1.0, "", 50, 6, "natural", 0, 0),
    *("stop", 0.1, None, None, None, 1, 1, 50, False, ""),
)


def cell_of(arm: Arm, repeat: int = 0) -> Cell:
    return Cell(TASKS["nano"], "m", arm, Sampling(1.0 if arm.sampled else 0.0, 1.0, 0, None), repeat)


def row(n: int, right: bool, tokens: int, **more: Any) -> ResultRow:
    said = "7" if right else "5"
    made = replace(ROW, problem_id=f"p{n}", domain="ab"[n % 2], score=float(right), extracted=said)
    return replace(made, thinking_tokens=tokens, **more)


def store(out: Path, cells: dict[Cell, Sequence[ResultRow]]) -> Path:
    with Journal(out) as journal:
        for cell, rows in cells.items():
            for one in rows:
                journal.append(cell, one)
            journal.seal(cell, [p.id for p in PROBLEMS])
        identities = {cell.name: cell.identity(PROBLEMS) for cell in cells}
        write(out, SweepSettings(out), identities, {}, [])
    return out


def arm(method: str, value: str) -> Arm:
    return METHODS[method].arm(value)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Natural 10 of 20 right at 50 tokens; max=16 4 right; waits=1 15, waits=2 20, waits=4 12; 4 samples."""
    cells: dict[Cell, Sequence[ResultRow]] = {
        cell_of(NATURAL): [row(n, n < 10, 50) for n in range(20)],
        cell_of(arm("max", "16")): [row(n, n < 4, 16, end="max_tokens", thinks_on=n < 5) for n in range(20)],
        cell_of(arm("max", "64")): [row(n, n < 10, 50 if n < 15 else 70) for n in range(20)],
        cell_of(arm("waits", "1")): [row(n, n < 15, 100, waits_used=1) for n in range(20)],
        cell_of(arm("waits", "2")): [row(n, True, 200, waits_used=2) for n in range(20)],
        cell_of(arm("waits", "4")): [row(n, n < 12, 400, waits_used=4) for n in range(20)],
    }
    for repeat in range(4):
        cells[cell_of(arm("sample", "4"), repeat)] = [row(n, (n + repeat) % 4 < 2, 50) for n in range(20)]
    return store(tmp_path / "out", cells)


@pytest.fixture
def group(out: Path) -> Group:
    [found] = groups_of(read_runs(out))
    return found


def test_accuracy_tokens_and_intervals_are_those_of_the_rows(group: Group) -> None:
    found = {one.arm.name: (one.accuracy, one.tokens) for one in group.arms}
    assert found["none"] == (50.0, 50.0)
    assert found["max=16"] == (20.0, 16.0)
    assert found["waits=2"] == (100.0, 200.0)
    assert all(one.low <= one.accuracy <= one.high for one in group.arms)


def test_repeats_that_agree_make_no_interval_narrower(tmp_path: Path) -> None:
    def measured(tell: Callable[[int, int], bool]) -> Measured:
        cells: dict[Cell, Sequence[ResultRow]] = {
            cell_of(NATURAL, repeat): [row(n, tell(n, repeat), 50) for n in range(20)] for repeat in range(4)
        }
        [found] = groups_of(read_runs(store(tmp_path / str(len(list(tmp_path.iterdir()))), cells)))
        return found.arms[0]

    agreeing, drawn = measured(lambda n, _: n < 10), measured(lambda n, repeat: (n + repeat) % 2 == 0)
    assert (agreeing.problems, agreeing.answers) == (20, 80)
    assert (agreeing.low, agreeing.high) == pytest.approx([100 * end for end in wilson(10, 20)])
    assert (drawn.low, drawn.high) == pytest.approx([100 * end for end in wilson(40, 80)])


def test_what_is_not_finished_is_named_in_the_report(out: Path) -> None:
    assert "Not finished" not in report(out)
    sealed = out / "cells" / f"{cell_of(arm('max', '64')).name}.jsonl"
    sealed.rename(sealed.with_suffix(".part.jsonl"))
    last = (report(out), (out / "report.md").read_text())
    assert all(text.strip().endswith("not in the tables of nano, m: max=64.") for text in last)


def test_an_endpoint_that_counts_no_thinking_has_tables_without_figure_and_control(tmp_path: Path) -> None:
    cells: dict[Cell, Sequence[ResultRow]] = {
        cell_of(one, repeat): [replace(row(n, n < 10, 0), thinking_tokens=None) for n in range(20)]
        for one, repeats in ((NATURAL, 1), (arm("max", "16"), 1), (arm("sample", "2"), 2))
        for repeat in range(repeats)
    }
    text = report(store(tmp_path / "out", cells))
    assert "does not count thinking tokens: there is no figure" in text
    assert "| max | 1 |  |  |  | 50.0 |" in text
    assert "| 1 | 20 | 50.0 | 29.9 to 70.1 |  | 50.0 |" in text
    assert not (tmp_path / "out" / "scaling.png").exists()


def test_a_manifest_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"schema": 1, "recipe": "nano"}')
    with pytest.raises(ManifestError, match=r"manifest\.json:1: not a sweep's manifest"):
        report(tmp_path)


def test_differences_are_paired_with_the_natural_stop(group: Group) -> None:
    [once, *_] = group.line("waits")
    assert once.against_natural is not None
    mean, low, high = once.against_natural
    assert mean == pytest.approx(25)
    assert 0 < low < mean < high
    [natural] = group.naturals
    assert natural.against_natural is None


def test_control_is_told_by_run_and_by_problem(group: Group) -> None:
    loose = next(one for one in group.arms if one.arm.name == "max=64")
    assert loose.control == 75.0
    maximum = next(m for m in group.methods if m.name == "max")
    assert maximum.control == 100.0  # the means, 16 and 55, kept their limits
    assert maximum.problem_control == pytest.approx(87.5)


def test_waits_are_held_to_more_than_the_natural_stop(group: Group) -> None:
    assert all(one.control == 100.0 for one in group.line("waits"))
    [natural] = group.naturals
    assert natural.control is None


def test_each_problem_is_held_to_its_own_natural_stop(tmp_path: Path) -> None:
    cells: dict[Cell, Sequence[ResultRow]] = {
        cell_of(NATURAL): [row(n, True, 10 if n < 10 else 90) for n in range(20)],
        cell_of(arm("waits", "1")): [row(n, True, 20 if n < 10 else 80) for n in range(20)],
    }
    [group] = groups_of(read_runs(store(tmp_path / "out", cells)))
    [once] = group.line("waits")
    assert once.control == 50.0  # the half that thought more than it had; by run, 50 is not below 50
    assert next(m for m in group.methods if m.name == "waits").control == 100.0


def test_the_measures_count_the_natural_stop_among_the_waits(group: Group) -> None:
    waits = next(m for m in group.methods if m.name == "waits")
    assert (waits.runs, waits.performance) == (4, 100.0)
    # 50, 75, 100, 60 percent at 50, 100, 200, 400 tokens: slopes 25, 25, 10/3, 25, -7.5, -40.
    assert waits.scaling == pytest.approx((25 + 25 + 10 / 3 + 25 - 7.5 - 40) / 6)
    both = next(m for m in group.methods if m.name.startswith("budget forcing"))
    assert both.runs == 6


def scaling_of(tmp_path: Path, **arms: Sequence[ResultRow]) -> float | None:
    cells: dict[Cell, Sequence[ResultRow]] = {
        cell_of(NATURAL): [row(n, n < 10, 50) for n in range(20)],
        cell_of(arm("max", "32")): [row(n, n < 5, 25, end="max_tokens") for n in range(20)],
        cell_of(arm("waits", "1")): [row(n, n < 15, 100, waits_used=1) for n in range(20)],
    }
    cells |= {cell_of(arm("max", name[1:])): rows for name, rows in arms.items()}
    [group] = groups_of(read_runs(store(tmp_path / str(len([*tmp_path.iterdir()])), cells)))
    return group.methods[0].scaling


def test_a_limit_that_touched_no_thinking_adds_no_point_to_scaling(tmp_path: Path) -> None:
    alone = scaling_of(tmp_path)
    assert alone == pytest.approx(25)
    same = [row(n, n < 10, 50) for n in range(20)]
    near = [row(n, n < 11, 50 if n else 51) for n in range(20)]  # as a GPU's other batches may decode it
    assert scaling_of(tmp_path, m256=same) == alone
    assert scaling_of(tmp_path, m256=near) == alone
    assert scaling_of(tmp_path, m256=same, m512=near) == alone
    cut = [replace(one, end="max_tokens") if n == 19 else one for n, one in enumerate(near)]
    assert scaling_of(tmp_path, m256=cut) != alone
    off = [replace(one, end="off") for one in near]
    assert scaling_of(tmp_path, m256=off) != alone


def test_another_nudge_is_a_line_of_its_own(tmp_path: Path) -> None:
    cells: dict[Cell, Sequence[ResultRow]] = {cell_of(NATURAL): [row(n, n < 10, 50) for n in range(20)]}
    for value, right in (("2", 15), ("2:Hmm", 12), ("4:Hmm", 13)):
        cells[cell_of(arm("waits", value))] = [row(n, n < right, 100) for n in range(20)]
    [group] = groups_of(read_runs(store(tmp_path / "out", cells)))
    assert [(m.name, m.runs) for m in group.methods] == [("waits", 2), ('waits "Hmm"', 3)]
    assert "waits=4:Hmm" in report(tmp_path / "out")


def test_escapes_are_counted_among_forced_closes(group: Group) -> None:
    found = {one.arm.name: one.escapes for one in group.arms}
    assert found["max=16"] == 0.25
    assert found["none"] is None


def test_replies_without_an_answer_and_replies_that_were_cut_have_columns_of_their_own(
    tmp_path: Path,
) -> None:
    silent: dict[str, Any] = {"answer": "", "extracted": None, "score": 0.0}
    rows = [
        *(row(n, True, 50) for n in range(8)),
        *(replace(row(n, False, 50), **silent) for n in range(8, 10)),
        *(replace(row(n, False, 50, finish_reason="length"), **silent) for n in range(10, 16)),
        *(replace(row(n, n < 18, 50), finish_reason="length") for n in range(16, 20)),
    ]
    [group] = groups_of(read_runs(store(tmp_path / "out", {cell_of(NATURAL): rows})))
    [one] = group.arms
    assert (one.silent, one.cut, one.accuracy, one.completed) == (0.4, 0.5, 50.0, 80.0)
    assert "| 40.0 | 50.0 | 80.0 |" in report(tmp_path / "out")


def test_votes_cost_the_tokens_of_all_their_samples(group: Group) -> None:
    assert [vote.k for vote in group.votes] == [1, 2, 4]
    assert [vote.tokens for vote in group.votes] == [50, 100, 200]
    # Of four samples two are right in turn: a tie goes to the first, which is right for 10 of 20.
    assert [vote.majority for vote in group.votes] == [50.0, 50.0, 50.0]
    assert [round(vote.pass_at_k, 1) for vote in group.votes] == [50.0, 83.3, 100.0]


def test_all_tasks_and_models_are_compared_in_one_pool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[GradingProcess] = []

    class Counted(GradingProcess):
        def __init__(self) -> None:
            super().__init__()
            started.append(self)

    monkeypatch.setattr("server.reasoning.grading.pool.GradingProcess", Counted)
    said = ["(1, 2)", "(2-1, 2)", "(3, 1)"]
    cells: dict[Cell, Sequence[ResultRow]] = {}
    for model in ("m", "other"):
        for repeat, answer in enumerate(said):
            cell = replace(cell_of(arm("sample", "3"), repeat), model=model)
            cells[cell] = [replace(row(n, repeat < 2, 50), extracted=answer) for n in range(4)]
    groups = groups_of(read_runs(store(tmp_path / "out", cells)))
    assert [[round(vote.majority, 1) for vote in one.votes] for one in groups] == [[66.7, 66.7, 100.0]] * 2
    assert 1 <= len(started) <= max(1, (os.cpu_count() or 2) // 2)


def test_domains_are_told_apart(group: Group) -> None:
    first = next(one for one in group.arms if one.arm.name == "max=16")
    assert first.domains == {"a": 20.0, "b": 20.0}


def test_a_grading_failure_is_neither_right_nor_wrong(tmp_path: Path) -> None:
    failed = [row(n, False, 50, grading_failure="hangs") for n in range(4)]
    rows = [replace(one, score=None) for one in failed] + [row(n, n < 8, 50) for n in range(4, 20)]
    [group] = groups_of(read_runs(store(tmp_path / "out", {cell_of(NATURAL): rows})))
    [natural] = group.naturals
    assert (natural.graded, natural.accuracy, natural.grading_failures) == (16, 25.0, 4)
    assert "| 4 | 0 |" in report(tmp_path / "out")


def test_the_tables_say_plainly_what_follows_the_peak_and_what_a_vote_reaches(out: Path) -> None:
    text = report(out)
    assert "Best with Waits: waits=2, 100.0%; natural stop 50.0%." in text
    assert "Beyond the peak: waits=4 reaches 60.0%, 40.0 points below (the intervals part)." in text
    assert "no more thinking tokens than waits=2 (200): 50.0% with k=4 (200 tokens)." in text
    assert (out / "report.md").read_text() == text + "\n"


def test_the_csv_has_one_line_a_point(out: Path) -> None:
    report(out)
    lines = list(csv.DictReader(io.StringIO((out / "scaling.csv").read_text())))
    assert [line["arm"] for line in lines] == [
        *("none", "max=16", "max=64", "waits=1", "waits=2", "waits=4"),
        *("majority=1", "majority=2", "majority=4"),
    ]
    assert float(lines[3]["accuracy"]) == 75.0
    assert float(lines[3]["thinking_tokens"]) == 100.0


def test_a_method_of_one_point_has_its_interval_in_the_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.figure import Figure

    drawn: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *_, **__: drawn.append(self))
    cells: dict[Cell, Sequence[ResultRow]] = {
        cell_of(NATURAL): [row(n, n < 10, 50) for n in range(20)],
        cell_of(arm("alpha", "64")): [row(n, n < 5, 70) for n in range(20)],
    }
    report(store(tmp_path / "out", cells))
    low, high = (100 * end for end in wilson(5, 20))
    ends = [
        np.asarray(one.vertices).tolist() for each in drawn[0].axes[0].collections for one in each.get_paths()
    ]
    assert ends[-2] == [[70, pytest.approx(low)], [70, pytest.approx(high)]]


def test_the_picture_is_drawn_at_the_size_of_a_page(out: Path) -> None:
    report(out)
    data = (out / "scaling.png").read_bytes()
    width, height = struct.unpack(">II", data[16:24])
    assert (width, height) == (1200, 780)


def test_trimmed_results_give_the_same_report(out: Path, tmp_path: Path) -> None:
    trim(out, tmp_path / "kept")
    assert report(tmp_path / "kept") == report(out)
    assert all(
        not row.prompt and not row.thinking and not row.answer
        for r in read_runs(tmp_path / "kept")
        for row in r.rows
    )
    with pytest.raises(TrimError, match="already exists"):
        trim(out, tmp_path / "kept")


def test_a_trim_that_fails_leaves_nothing_and_can_be_repeated(out: Path, tmp_path: Path) -> None:
    sealed = out / "cells" / f"{cell_of(arm('waits', '4')).name}.jsonl"
    part = sealed.rename(sealed.with_suffix(".part.jsonl"))
    with pytest.raises(TrimError, match="not finished"):
        trim(out, tmp_path / "kept")
    last = part.rename(sealed).read_text()
    sealed.write_text("{")
    with pytest.raises(RowError):
        trim(out, tmp_path / "kept")
    assert list(tmp_path.iterdir()) == [out]
    sealed.write_text(last)
    assert trim(out, tmp_path / "kept") == f"200 rows kept in {tmp_path / 'kept'}"
    assert sorted(tmp_path.iterdir()) == [tmp_path / "kept", out]
    with pytest.raises(TrimError, match=r"report\.md"):
        trim(out, out / "manifest.json" / "report.md")


def test_a_folder_without_results_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="not a folder of results"):
        report(tmp_path)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "not JSON"),
        ('{"schema": 2}', "schema 2"),
        (ROW.line().replace('"schema": 1', '"schema": 2').strip(), "schema 2"),
        ('{"schema": 1}', "problem_id"),
        ("[]", "not an object"),
    ],
)
def test_a_row_that_cannot_be_read_is_named_with_file_and_line(out: Path, line: str, complaint: str) -> None:
    path = out / "cells" / f"{cell_of(NATURAL).name}.jsonl"
    path.write_text(ROW.line() + line + "\n")
    with pytest.raises(RowError) as caught:
        report(out)
    assert str(caught.value).startswith(f"{path}:2: ")
    assert complaint in str(caught.value)
