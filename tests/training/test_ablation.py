"""The ablation: what it was asked, its table from stored results, two small sets through the real server."""

import gzip
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from server.reasoning.command import held
from tests.training.test_nano import CHECKPOINT
from training.__main__ import main
from training.ablation.plan import Ablation
from training.ablation.run import ablate, claim
from training.ablation.table import draw_all, lines_of, read_cell
from training.errors import TrainingError
from training.nano.sft import teacher_samples

ROOT = Path(__file__).parents[2]
STORED = ROOT / "training" / "results" / "ablation"


def train_file(path: Path, samples: int, seed: int) -> Path:

    lines = []
    for one in teacher_samples(samples, seed):
        trace = replace(one.trace, correct=one.trace.answer == one.problem.answer)
        lines.append(json.dumps({"schema": 1, "problem": asdict(one.problem), "trace": asdict(trace)}))
    path.write_text("\n".join(lines) + "\n")
    return path


def ablation(folder: Path, seeds: tuple[int, ...] = (1, 2), steps: int = 2) -> Ablation:
    sets = {name: folder / f"{name}.jsonl" for name in ("selected", "random")}
    for number, path in enumerate(sets.values(), 1):
        if not path.exists():
            train_file(path, 10 * number, number)
    return Ablation(CHECKPOINT, sets, folder / "out", seeds, steps, (1,), 100, 2)


def store(asked: Ablation, share: dict[str, float], seeds: tuple[int, ...] = (1, 2)) -> None:
    """Results as `s1-eval sweep` leaves them: of each set, this share of the problems is right."""
    for one in asked.checkpoints():
        if one.seed in seeds:
            (one.results / "cells").mkdir(parents=True)
            for arm, more in (("none", 0.0), ("waits=1", 0.1)):
                right = round(asked.problems * (share[one.set_name] + more + one.seed / 100))
                rows = [
                    {"problem_id": f"p{n}", "score": float(n < right), "thinking_tokens": 50, "error": ""}
                    for n in range(asked.problems)
                ]
                cell = one.results / "cells" / f"nano~{one.name}~{arm}~t0-p1-s0~r0.jsonl"
                cell.write_text("".join(json.dumps(row) + "\n" for row in rows))
            (one.results / "report.md").touch()


def test_the_table_has_a_line_a_set_and_compares_with_the_first(tmp_path: Path) -> None:
    asked = ablation(tmp_path)
    claim(asked)
    store(asked, {"selected": 0.6, "random": 0.3})
    text = draw_all(asked)
    head, _, first, second = text.splitlines()
    assert head == "| set | samples | mean tokens | traces right | natural stop | 1 Wait |"
    assert first.startswith("| selected | 10 |") and "| 61.5 (" in first and "; " not in first
    assert second.startswith("| random | 20 |") and "| 31.5 (" in second and "; -30.0 (" in second
    assert (asked.out / "ablation.png").stat().st_size > 10_000
    assert (asked.out / "table.md").read_text() == text


def test_a_text_with_line_breaks_of_unicode_is_one_row(tmp_path: Path) -> None:
    asked = ablation(tmp_path)
    store(asked, {"selected": 0.6, "random": 0.3})
    one = next(iter(asked.checkpoints()))
    before = read_cell(one, "none")[0].tolist()
    [path] = (one.results / "cells").glob("*~none~*")
    rows = [json.loads(line) | {"answer": "a\u2028b\u0085c"} for line in path.read_text().split("\n") if line]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")
    assert read_cell(one, "none")[0].tolist() == before
    path.unlink()
    path.with_name(path.name + ".gz").write_bytes(gzip.compress(text.encode()))
    assert read_cell(one, "none")[0].tolist() == before


def test_the_bars_of_the_figure_are_the_intervals_of_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.axes import Axes

    drawn: list[Any] = []
    real: Any = Axes.errorbar

    def errorbar(*told: Any, **how: Any) -> Any:
        drawn.append(told)
        return real(*told, **how)

    monkeypatch.setattr(Axes, "errorbar", errorbar)
    asked = ablation(tmp_path)
    claim(asked)
    store(asked, {"selected": 0.6, "random": 0.3})
    draw_all(asked)
    _, _, heights, (below, above) = drawn[0]
    lines = [one for one in lines_of(asked) if one.set_name == "selected"]
    assert [a - b for a, b in zip(heights, below, strict=True)] == pytest.approx([one.low for one in lines])
    assert [a + b for a, b in zip(heights, above, strict=True)] == pytest.approx([one.high for one in lines])


def test_an_interval_covers_the_seeds_as_well_as_the_problems(tmp_path: Path) -> None:
    asked = ablation(tmp_path)
    claim(asked)
    store(asked, {"selected": 0.6, "random": 0.3})
    (line, *_) = lines_of(asked)
    assert (line.lowest_seed, line.highest_seed, line.seeds) == (61.0, 62.0, 2)
    spread = 1.96 * 100 * np.sqrt(0.615 * 0.385 / 100)
    assert line.high - line.low == pytest.approx(2 * spread, rel=0.1)


def test_differences_are_paired_over_the_problems(tmp_path: Path) -> None:
    """The same problems are right in both sets but for some: the difference is surer than each of them."""
    asked = ablation(tmp_path, seeds=(1,))
    claim(asked)
    store(asked, {"selected": 0.6, "random": 0.5}, (1,))
    difference = lines_of(asked)[1].difference
    assert difference is not None
    gap, low, high = difference
    assert gap == -10.0 and high - low < 13  # unpaired, it would be 27


def test_what_is_scored_so_far_is_drawn(tmp_path: Path) -> None:
    asked = ablation(tmp_path)
    claim(asked)
    store(asked, {"selected": 0.6, "random": 0.3}, (1,))
    assert {one.seeds for one in lines_of(asked)} == {1}


def test_a_folder_of_another_ablation_is_left_alone_but_seeds_may_be_added(tmp_path: Path) -> None:
    claim(ablation(tmp_path))
    claim(ablation(tmp_path, seeds=(1, 2, 3)))
    with pytest.raises(TrainingError, match=r"--out: .* holds another ablation: steps differ"):
        claim(ablation(tmp_path, steps=3))


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    asked = ablation(tmp_path)
    asked.out.mkdir()
    (asked.out / "thesis.txt").touch()
    with pytest.raises(TrainingError, match="out is not empty and holds no ablation"):
        claim(asked)


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    asked = ablation(tmp_path)
    in_use = pytest.raises(TrainingError, match=f"--out: {asked.out}: another run is working")
    with held(asked.out, TrainingError), in_use:
        ablate(asked)


def test_a_base_that_is_none_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = ["--base", str(tmp_path), "--set", "a=b.jsonl", "--out", str(tmp_path / "out")]
    assert main(["ablation", *told]) == 1
    assert f"--base {tmp_path}: not an s1-nano: no model.safetensors in it" in capsys.readouterr().err


def test_the_manifest_says_what_each_set_is(tmp_path: Path) -> None:
    asked = ablation(tmp_path)
    claim(asked)
    told = json.loads((asked.out / "ablation.json").read_text())
    assert told["steps"] == 2 and told["seeds"] == [1, 2] and told["batch"] == 16
    assert told["sets"]["random"]["samples"] == 20 and 0 < told["sets"]["random"]["correct"] < 1
    assert told["sets"]["random"]["mean_tokens"] > 20 and len(told["base"]) == 64


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--set", "one"], "--set: 'one' is not of the form NAME=FILE"),
        (["--set", "one=/nowhere.jsonl"], "--set one: /nowhere.jsonl: no such file"),
        (["--set", "one=F", "--set", "one=F"], "--set: a name is given twice"),
        (["--set", "one=F", "--seeds", "a"], "--seeds: 'a' is not a list of numbers"),
    ],
)
def test_what_cannot_be_done_is_refused_by_its_flag(
    tmp_path: Path, flags: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = train_file(tmp_path / "f.jsonl", 2, 1)
    told = [flag.replace("=F", f"={path}") for flag in flags]
    assert main(["ablation", "--base", str(CHECKPOINT), "--out", str(tmp_path / "out"), *told]) == 1
    assert complaint in capsys.readouterr().err


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_two_small_sets_through_training_server_and_evals_and_not_twice(tmp_path: Path) -> None:
    asked = ablation(tmp_path, seeds=(1,))
    sets = [f"--set={name}={path}" for name, path in asked.sets.items()]
    told = ["ablation", "--base", str(CHECKPOINT), "--out", str(asked.out), *sets]
    told += ["--seeds", "1", "--steps", "2", "--waits", "1", "--problems", "20"]
    assert main(told) == 0
    table = (asked.out / "table.md").read_text()
    assert table.count("\n") == 4 and "| 1 Wait |" in table
    before = {path: path.stat().st_mtime_ns for path in asked.out.glob("*/*-1/**/*") if path.is_file()}
    assert main(told) == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert (asked.out / "table.md").read_text() == table


def test_the_stored_results_give_the_stored_table_and_the_readmes(tmp_path: Path) -> None:
    told = json.loads((STORED / "ablation.json").read_text())
    ablation = Ablation(
        base=tmp_path,
        sets=dict.fromkeys(told["sets"], tmp_path),
        out=tmp_path,
        seeds=tuple(told["seeds"]),
        steps=told["steps"],
        waits=tuple(told["waits"]),
        problems=told["problems"],
        threads=1,
    )
    for name in ("ablation.json", "results"):
        (tmp_path / name).symlink_to(STORED / name)
    table = draw_all(ablation)
    assert table == (STORED / "table.md").read_text()
    assert table in (ROOT / "training" / "README.md").read_text(encoding="utf-8")
