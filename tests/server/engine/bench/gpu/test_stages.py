"""How a part is run: whatever becomes of one stage, its file says so, and the next one runs."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from server.engine.bench.gpu.__main__ import main
from server.engine.bench.gpu.stages import PART_LIMIT_S, PARTS, BenchStage, run_part

MODULES = {
    "good": "result.add(learnt=1)",
    "bad": "result.add(learnt=2); raise SystemExit('it is wrong')",
    "slow": "result.append('rounds', 1); result.append('rounds', 2); child(); time.sleep(60)",
    "silent": "import os; os._exit(3)",
    "idle": "result.add(skipped='nothing to do here')",
}
HEAD = """
import argparse, subprocess, sys, time
from pathlib import Path
from server.engine.bench.gpu.result import ResultFile
parser = argparse.ArgumentParser()
parser.add_argument("--out", type=Path)
parser.add_argument("--reduced", action="store_true")
parser.add_argument("--pids", type=Path)
given = parser.parse_args()
result = ResultFile(given.out)
def child():
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    given.pids.write_text(str(process.pid))
"""


@pytest.fixture
def stages(tmp_path: Path) -> Mapping[str, BenchStage]:
    """One for each way in which a stage can end."""
    modules = tmp_path / "modules"
    modules.mkdir()
    for name, body in MODULES.items():
        (modules / f"stage_{name}.py").write_text(f"{HEAD}\n{body}\n")
    path = {"PYTHONPATH": f"{modules}:{Path.cwd()}"}
    pids = ("--pids", str(tmp_path / "pid"))
    return {
        name: BenchStage(name, f"stage_{name}", 2 if name == "slow" else 60, pids, path) for name in MODULES
    }


def told(folder: Path, name: str) -> dict[str, Any]:
    """What a stage's file says."""
    read: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    return read


def test_stage_that_fails_leaves_its_error_and_the_next_one_runs(
    stages: Mapping[str, BenchStage], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert not run_part([stages["bad"], stages["silent"], stages["good"]], out, is_reduced=False)
    bad, silent, good = (told(out, name) for name in ("bad", "silent", "good"))
    assert (bad["status"], bad["learnt"]) == ("failed", 2)
    assert "it is wrong" in bad["log"]
    assert (silent["status"], silent["error"]) == ("failed", "exit status 3")
    assert (good["status"], good["learnt"]) == ("done", 1)
    assert good["command"].startswith("PYTHONPATH=")


def test_stage_past_its_limit_is_ended_with_its_children_and_keeps_what_it_learnt(
    stages: Mapping[str, BenchStage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.engine.bench.gpu.stages.LEAST_S", 1.0)
    out = tmp_path / "out"
    run_part([stages["slow"], stages["good"]], out, is_reduced=False)
    slow = told(out, "slow")
    assert (slow["status"], slow["rounds"]) == ("cut", [1, 2])
    assert slow["error"] == "not done after 2 s"
    assert not is_running(int((tmp_path / "pid").read_text()))
    assert told(out, "good")["status"] == "done"


def test_part_that_is_ended_from_outside_ends_its_stage_which_keeps_what_it_learnt(
    stages: Mapping[str, BenchStage], tmp_path: Path
) -> None:
    stage, out = stages["slow"], tmp_path / "out"
    script = (
        "import sys; from server.engine.bench.gpu import __main__, stages;"
        f"stages.PARTS['cost'] = (stages.BenchStage('slow', {stage.module!r}, 200, {stage.arguments!r}),);"
        f"sys.exit(__main__.main(['--part', 'cost', '--out', {str(out)!r}]))"
    )
    environment = {**os.environ, **stage.environment}
    process = subprocess.Popen([sys.executable, "-c", script], env=environment)
    for _ in range(600):
        if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text():
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 128 + signal.SIGTERM
    assert not is_running(int((tmp_path / "pid").read_text()))
    assert told(out, "slow")["rounds"] == [1, 2]


def is_running(pid: int) -> bool:
    """Whether such a process is there, and no mere entry of one that has ended."""
    for _ in range(50):
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return False
        except (ProcessLookupError, FileNotFoundError):
            return False
        time.sleep(0.1)
    return True


def test_stage_for_which_no_time_is_left_is_not_started(
    stages: Mapping[str, BenchStage], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert not run_part([stages["good"]], out, is_reduced=False, limit_s=1)
    assert told(out, "good")["error"] == "its part's time was over"
    assert "learnt" not in told(out, "good")


def test_stage_that_has_nothing_to_do_here_says_why_and_is_no_failure(
    stages: Mapping[str, BenchStage], tmp_path: Path
) -> None:
    assert run_part([stages["idle"]], tmp_path / "out", is_reduced=True)
    idle = told(tmp_path / "out", "idle")
    assert (idle["status"], idle["skipped"]) == ("skipped", "nothing to do here")


def test_results_of_an_earlier_run_do_not_stay(stages: Mapping[str, BenchStage], tmp_path: Path) -> None:
    (tmp_path / "good.json").write_text('{"rounds": [1], "error": "of long ago"}')
    run_part([stages["good"]], tmp_path, is_reduced=False)
    assert not told(tmp_path, "good").keys() & {"rounds", "error"}


@pytest.mark.parametrize("part", PARTS)
def test_parts_limits_fit_into_its_time_and_its_files_may_travel(part: str) -> None:
    stages = PARTS[part]
    assert sum(stage.limit_s for stage in stages) <= PART_LIMIT_S
    assert len({stage.name for stage in stages}) == len(stages) <= 8


def test_stages_can_be_chosen_and_an_unknown_one_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--part", "cost", "--out", "unused", "--stages", "cost-nano,cots"])
    assert "'cots' is none of machine, cost-8b, cost-nano, http" in capsys.readouterr().err
