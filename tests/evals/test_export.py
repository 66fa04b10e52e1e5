"""Exports hold every reply: `datasets` loads the one, inspect-ai's own reader the other."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import stdev
from typing import Any

import pytest

from evals.__main__ import main
from evals.cell import Cell, Sampling
from evals.methods import NATURAL
from evals.report.read import read_runs
from evals.row import ResultRow
from evals.tasks import TASKS
from tests.environments import installed
from tests.evals.report.test_report import arm, cell_of, row, store

READER = Path(__file__).parent / "read_inspect_logs.py"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The natural stop, twice, with a failed and an ungraded reply; a maximum; another task."""
    first = [row(n, n < 10, 50, reference="7", prompt=f"q{n}", echo={"end": "natural"}) for n in range(20)]
    second = [row(n, n < 12, 50, reference="7", prompt=f"q{n}", level="5") for n in range(20)]
    second[18] = replace(second[18], error="no reply", score=None, thinking="", answer="", finish_reason=None)
    second[19] = replace(second[19], grading_failure="hangs", score=None, finish_reason="length")
    cells: dict[Cell, Sequence[ResultRow]] = {
        cell_of(NATURAL): first,
        cell_of(NATURAL, 1): second,
        cell_of(arm("max", "16")): [row(n, n < 4, 16, end="max_tokens", thinking="") for n in range(20)],
        replace(cell_of(NATURAL), task=replace(TASKS["nano"], name="reasoning_gym:gcd")): first[:3],
    }
    return store(tmp_path / "out", cells)


def test_hugging_faces_loader_reads_every_reply(out: Path, tmp_path: Path) -> None:
    from datasets import get_dataset_config_names, load_dataset

    assert main(["export", str(out), str(tmp_path / "set")]) == 0
    assert get_dataset_config_names(str(tmp_path / "set")) == ["nano", "reasoning_gym_gcd"]
    found = load_dataset(str(tmp_path / "set"), "nano", split="test", cache_dir=str(tmp_path / "cache"))
    stored = [
        {
            **{"task": run.task, "model": run.model, "arm": run.arm.name},
            **{"temperature": run.decoding.temperature, "top_p": run.decoding.top_p},
            **{"sampling_seed": run.seed, "repeat": run.repeat},
            **asdict(each),
            "echo": json.dumps(each.echo) if each.echo else None,
        }
        for run in read_runs(out)
        if run.task == "nano"
        for each in run.rows
    ]
    assert found.to_list() == stored
    assert len(stored) == 60
    other = load_dataset(
        str(tmp_path / "set"), "reasoning_gym_gcd", split="test", cache_dir=str(tmp_path / "cache")
    )
    assert other["task"] == ["reasoning_gym:gcd"] * 3


def exported(out: Path, to: Path) -> dict[tuple[str, str], dict[str, Any]]:
    assert main(["export", str(out), str(to), "--format", "inspect"]) == 0
    logs = [json.loads(path.read_text()) for path in to.iterdir()]
    return {(log["eval"]["task"], log["eval"]["task_args"]["arm"]): log for log in logs}


def test_a_log_is_an_arm_with_its_repeats_as_epochs(out: Path, tmp_path: Path) -> None:
    logs = exported(out, tmp_path / "logs")
    assert sorted(logs) == [("nano", "max=16"), ("nano", "none"), ("reasoning_gym:gcd", "none")]
    natural = logs["nano", "none"]
    assert natural["eval"]["config"] == {"epochs": 2, "epochs_reducer": ["mean"]}
    assert [(one["id"], one["epoch"]) for one in natural["samples"][18:22]] == [
        *(("p18", 1), ("p19", 1), ("p0", 2), ("p1", 2))
    ]
    [score] = natural["results"]["scores"]
    means = [1.0] * 10 + [0.5] * 2 + [0.0] * 8
    assert score["metrics"]["accuracy"]["value"] == pytest.approx(0.55)
    assert score["metrics"]["stderr"]["value"] == pytest.approx(stdev(means) / 20**0.5)
    assert (natural["results"]["total_samples"], natural["results"]["completed_samples"]) == (40, 39)
    assert logs["nano", "max=16"]["eval"]["task_args"]["thinking_budget"] == {"max_tokens": 16}


def test_each_sampling_of_an_arm_has_its_log(tmp_path: Path) -> None:
    cells: dict[Cell, Sequence[ResultRow]] = {
        replace(cell_of(NATURAL), sampling=Sampling(0.7, top_p, 0, None)): [row(0, top_p == 1.0, 50)]
        for top_p in (1.0, 0.5)
    }
    out, to = store(tmp_path / "out", cells), tmp_path / "logs"
    assert main(["export", str(out), str(to), "--format", "inspect"]) == 0
    logs = [json.loads(path.read_text()) for path in to.iterdir()]
    found = {
        log["eval"]["model_generate_config"]["top_p"]: (
            len(log["samples"]),
            log["results"]["scores"][0]["metrics"]["accuracy"]["value"],
        )
        for log in logs
    }
    assert found == {1.0: (1, 1.0), 0.5: (1, 0.0)}


@pytest.mark.slow
def test_inspects_own_reader_reads_every_reply(out: Path, tmp_path: Path) -> None:
    exported(out, tmp_path / "logs")
    python = installed("inspect-ai==0.3.285") / "python"
    done = subprocess.run([python, READER, tmp_path / "logs"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = {(log["task"], log["arm"]): log for log in json.loads(done.stdout)}
    natural = found["nano", "none"]
    assert (natural["epochs"], natural["accuracy"], natural["summaries"]) == (2, pytest.approx(0.55), 40)
    said = [["reasoning", "hm"], ["text", "Final Answer: 7"]]
    right = {"s1_eval": ["C", "7"]}
    assert natural["samples"][0] == [*("p0", 1, "q0", "7", said, "Final Answer: 7", "stop", 50, right, None)]
    assert natural["samples"][38] == ["p18", 2, "q18", "7", [], "", None, None, {}, "no reply"]
    assert natural["samples"][39][5:] == ["Final Answer: 7", "max_tokens", 50, {}, None]
    assert [one[8]["s1_eval"][0] for one in found["nano", "max=16"]["samples"]] == ["C"] * 4 + ["I"] * 16


def test_a_folder_that_exists_is_left_alone_and_what_is_not_finished_is_named(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "set").mkdir()
    assert main(["export", str(out), str(tmp_path / "set")]) == 1
    assert "set: already exists" in capsys.readouterr().err
    sealed = out / "cells" / f"{cell_of(arm('max', '16')).name}.jsonl"
    sealed.rename(sealed.with_suffix(".part.jsonl"))
    assert main(["export", str(out), str(tmp_path / "logs"), "--format", "inspect"]) == 0
    assert "not finished, and so left out: max=16 of nano, m" in capsys.readouterr().out
    assert main(["export", str(tmp_path / "nothing"), str(tmp_path / "new")]) == 1
    assert not list(tmp_path.glob("new*"))
