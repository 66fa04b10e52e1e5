"""Two runs are compared problem by problem, and only on the same problems."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from evals.__main__ import main
from evals.cell import Cell, Sampling
from evals.methods import NATURAL
from evals.report.compare import compare
from evals.report.read import ReportError
from evals.row import ResultRow
from tests.evals.report.test_report import arm, cell_of, row, store


def run(out: Path, rows: Sequence[ResultRow], **arms: Sequence[ResultRow]) -> Path:
    cells: dict[Cell, Sequence[ResultRow]] = {cell_of(NATURAL): rows}
    cells |= {cell_of(arm(name, "1")): found for name, found in arms.items()}
    return store(out, cells)


def line_of(text: str, name: str) -> list[str]:
    [found] = [line for line in text.splitlines() if f"| {name} |" in line]
    return [cell.strip() for cell in found.strip("|").split("|")]


def test_the_difference_its_interval_and_the_problems_that_one_run_alone_solved(tmp_path: Path) -> None:
    a = run(tmp_path / "a", [row(n, n < 10, 50) for n in range(20)])
    b = run(tmp_path / "b", [row(n, 2 <= n < 18, 50) for n in range(20)])
    task, name, n, ours, theirs, difference, interval, only_a, only_b, p = line_of(compare(a, b), "none")
    assert (task, name, n, ours, theirs, difference) == ("nano", "none", "20", "50.0", "80.0", "+30.0")
    assert (only_a, only_b) == ("2", "8")
    low, high = (float(end) for end in interval.split(" to "))
    assert low < 30 < high
    assert float(p) == pytest.approx(2 * (1 + 10 + 45) / 2**10, rel=0.01)


def test_the_same_run_twice_differs_in_nothing(tmp_path: Path) -> None:
    a = run(tmp_path / "a", [row(n, n < 10, 50) for n in range(20)])
    assert line_of(compare(a, a), "none")[5:] == ["+0.0", "+0.0 to +0.0", "0", "0", "1"]


def test_other_problems_are_refused_by_name(tmp_path: Path) -> None:
    a = run(tmp_path / "a", [row(n, True, 50) for n in range(20)])
    b = run(tmp_path / "b", [row(n, True, 50) for n in range(19)])
    with pytest.raises(ReportError, match=r"nano none: the problems differ \(1 .* 'p19' in .*a\)"):
        compare(a, b)


def test_another_problem_behind_the_same_id_is_refused(tmp_path: Path) -> None:
    rows = [replace(row(n, True, 50), prompt=f"{n} + 1?", reference=str(n + 1)) for n in range(20)]
    seventh = rows[7]
    a = run(tmp_path / "a", rows)
    for what, another in (
        ("question", replace(seventh, prompt="8 + 1?")),
        ("reference", replace(seventh, reference="9")),
    ):
        b = run(tmp_path / what, [*rows[:7], another, *rows[8:]])
        with pytest.raises(ReportError, match=f"nano none: the problems differ: 'p7' has one {what} in"):
            compare(a, b)
    stored_without = [replace(each, prompt="", reference="") for each in rows]
    assert line_of(compare(a, run(tmp_path / "c", stored_without)), "none")[2] == "20"


def test_what_a_run_appends_to_its_questions_makes_them_no_others(tmp_path: Path) -> None:
    told = [replace(row(n, True, 50), prompt=f"{n} + 1?") for n in range(20)]
    more = [replace(each, prompt=f"{each.prompt}\n\nBe brief.") for each in told]
    longer = store(tmp_path / "b", {replace(cell_of(NATURAL), suffix="Be brief."): more})
    assert line_of(compare(run(tmp_path / "a", told), longer), "none")[2] == "20"


def test_what_one_run_could_not_grade_is_left_out_of_both(tmp_path: Path) -> None:
    a = run(tmp_path / "a", [replace(row(n, True, 50), score=None if n < 5 else 1.0) for n in range(20)])
    b = run(tmp_path / "b", [row(n, n < 10, 50) for n in range(20)])
    assert line_of(compare(a, b), "none")[2:6] == ["15", "100.0", "33.3", "-66.7"]


def test_the_command_names_the_arms_of_one_run_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [row(n, n < 10, 50) for n in range(20)]
    a, b = run(tmp_path / "a", rows, waits=rows), run(tmp_path / "b", rows)
    assert main(["report", str(a), str(b)]) == 0
    assert f"Only in {a}: nano waits=1." in capsys.readouterr().out
    assert main(["report", str(a), str(tmp_path / "nothing")]) == 1


def hot(out: Path, **rights: int) -> Path:
    """The natural stop at each temperature, with so many of 20 right."""
    cells: dict[Cell, Sequence[ResultRow]] = {
        replace(cell_of(NATURAL), sampling=Sampling(float(name[1:]) / 10, 1.0, 0, None)): [
            row(n, n < right, 50) for n in range(20)
        ]
        for name, right in rights.items()
    }
    return store(out, cells)


def test_samplings_of_an_arm_are_compared_each_with_its_own(tmp_path: Path) -> None:
    a = hot(tmp_path / "a", t0=10, t7=4, t9=3)
    b = hot(tmp_path / "b", t0=12, t7=20, t5=7)
    text = compare(a, b)
    assert line_of(text, "none, temperature 0")[2:6] == ["20", "50.0", "60.0", "+10.0"]
    assert line_of(text, "none, temperature 0.7")[2:6] == ["20", "20.0", "100.0", "+80.0"]
    assert f"Only in {a}: nano none, temperature 0.9." in text
    assert f"Only in {b}: nano none, temperature 0.5." in text


def test_an_arm_of_one_sampling_each_is_compared_and_both_are_told(tmp_path: Path) -> None:
    a, b = hot(tmp_path / "a", t0=10), hot(tmp_path / "b", t7=12)
    name = "A: none, temperature 0; B: none, temperature 0.7"
    assert line_of(compare(a, b), name)[2:6] == ["20", "50.0", "60.0", "+10.0"]
    with pytest.raises(ReportError, match="no task and arm, of the same sampling"):
        compare(a, hot(tmp_path / "c", t5=12, t7=12))


def test_seeds_of_one_sampling_are_repeats_and_each_has_its_own_prompts(tmp_path: Path) -> None:
    cells: dict[Cell, Sequence[ResultRow]] = {
        replace(cell_of(NATURAL), sampling=Sampling(0.0, 1.0, seed, None)): [
            replace(row(n, n < 10 * seed, 50), prompt=f"{n}, shuffled by {seed}") for n in range(20)
        ]
        for seed in (1, 2)
    }
    a = store(tmp_path / "a", cells)
    assert line_of(compare(a, a), "none")[2:6] == ["20", "75.0", "75.0", "+0.0"]
