"""Two processes through the launch files: the single process's losses, one curve, one model; also sharded."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file

from tests.training.tiny import tiny_model, train_file

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
LAUNCH = ROOT / "training" / "launch"
COPIED = [str(LAUNCH / "torchrun.sh")]
SHARDED = [
    "torchrun",
    "--standalone",
    "--nproc-per-node=2",
    str(Path(__file__).parent / "sharded_on_cpu.py"),
    "sft",
]
PROGRAMS = {"copied": COPIED, "sharded": SHARDED}
# Eight of 48 samples a step: every process has as many, and every epoch ends with a whole step.
TOLD = ["--batch=8", "--micro-batch=2", "--steps=8", "--save-every=3", "--recompute", "--learning-rate=1e-2"]


def flags(folder: Path, out: str) -> list[str]:
    base, data = folder / "base", folder / "train.jsonl"
    if not base.exists():
        tiny_model(base)
        train_file(data, 48)
    told = ["--model", str(base), "--data", str(data), "--out", str(folder / out)]
    return ["--recipe", "nano", *told, *TOLD]


def environment(**more: str) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "GPUS": "2", **more}


def launch(program: Sequence[str], told: Sequence[str], **more: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*program, *told], env=environment(**more), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def losses(out: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (out / "run" / "metrics.jsonl").read_text().splitlines()]


# Sharded, the loss itself comes in bf16: three digits.
@pytest.mark.parametrize(("name", "within"), [("copied", 1e-4), ("sharded", 2e-2)])
def test_two_processes_have_the_losses_of_one_and_leave_one_model(
    tmp_path: Path, name: str, within: float
) -> None:
    launch([sys.executable, "-m", "training", "sft"], flags(tmp_path, "alone"))
    done = launch(PROGRAMS[name], flags(tmp_path, "together"))
    assert done.stdout.count("recipe    nano") == 1
    one, together = tmp_path / "alone", tmp_path / "together"
    assert losses(together) == pytest.approx(losses(one), abs=within)
    assert losses(one)[-1] < losses(one)[0] - 1
    ours, theirs = (load_file(out / "model.safetensors") for out in (one, together))
    assert ours.keys() == theirs.keys()
    for weight in ours:
        assert theirs[weight].dtype == torch.bfloat16
        torch.testing.assert_close(theirs[weight], ours[weight], atol=2e-2, rtol=0.1)
    shards = list((together / "run" / "checkpoints").glob("checkpoint-8/pytorch_model_fsdp_0"))
    assert bool(shards) == (name == "sharded")
    made = json.loads((together / "making.json").read_text())
    assert made["devices"] == 2 and made["steps"] == 8


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_killed_run_of_two_goes_on_with_the_same_losses(tmp_path: Path, name: str) -> None:
    launch(PROGRAMS[name], flags(tmp_path, "whole"))
    told, killed = flags(tmp_path, "killed"), tmp_path / "killed"
    process = subprocess.Popen(
        [*PROGRAMS[name], *told],
        env=environment(),
        cwd=ROOT,
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )
    while not (killed / "run" / "checkpoints" / "checkpoint-3" / "whole").exists() and process.poll() is None:
        time.sleep(0.01)
    # torchrun gives its workers sessions of their own.
    for one in (process, *psutil.Process(process.pid).children(recursive=True)):
        one.kill()
    process.wait()
    assert not (killed / "making.json").exists()
    launch(PROGRAMS[name], told)
    assert losses(killed) == losses(tmp_path / "whole")


def test_the_slurm_file_makes_one_run_of_two_machines(tmp_path: Path) -> None:
    """Both machines are this one: `scontrol` names it, `srun` starts what it is given twice."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "scontrol").write_text("#!/bin/sh\necho 127.0.0.1\necho 127.0.0.2\n")
    (tools / "srun").write_text('#!/bin/sh\n"$@" &\n"$@" &\nwait %1 && wait %2\n')
    for tool in tools.iterdir():
        tool.chmod(0o755)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    slurm = {"SLURM_JOB_NODELIST": "x", "SLURM_NNODES": "2", "SLURM_JOB_ID": "7", "PORT": port, "GPUS": "1"}
    path = f"{tools}:{environment()['PATH']}"
    launch([str(LAUNCH / "slurm.sh")], flags(tmp_path, "together"), **slurm, PATH=path)
    assert json.loads((tmp_path / "together" / "making.json").read_text())["devices"] == 2
    assert len(losses(tmp_path / "together")) == 8
