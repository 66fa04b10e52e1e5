"""Two processes through torchrun: the single process's losses, one curve, one model; also sharded."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.training.tiny import tiny_model, train_file

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
# Eight of 48 samples a step: every process has as many, and every epoch ends with a whole step.
TOLD = ["--batch=8", "--micro-batch=2", "--steps=8", "--save-every=3", "--recompute", "--learning-rate=1e-2"]


def flags(folder: Path, out: str) -> list[str]:
    base, data = folder / "base", folder / "train.jsonl"
    if not base.exists():
        tiny_model(base)
        train_file(data, 48)
    return [
        "sft",
        "--recipe",
        "nano",
        "--model",
        str(base),
        "--data",
        str(data),
        "--out",
        str(folder / out),
        *TOLD,
    ]


def torchrun(program: Sequence[str], told: Sequence[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*command, *program, *told], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )


def losses(out: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (out / "run" / "metrics.jsonl").read_text().splitlines()]


def alone(folder: Path) -> Path:
    told = flags(folder, "alone")
    subprocess.run([sys.executable, "-m", "training", *told], cwd=ROOT, check=True)
    return folder / "alone"


COPIED = ["-m", "training"]
SHARDED = [str(Path(__file__).parent / "sharded_on_cpu.py")]


# Sharded, the loss itself comes in bf16: three digits.
@pytest.mark.parametrize(("program", "within"), [(COPIED, 1e-4), (SHARDED, 2e-2)], ids=["copied", "sharded"])
def test_two_processes_have_the_losses_of_one_and_leave_one_model(
    tmp_path: Path, program: list[str], within: float
) -> None:
    one = alone(tmp_path)
    done = torchrun(program, flags(tmp_path, "together"))
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("recipe    nano") == 1
    together = tmp_path / "together"
    assert losses(together) == pytest.approx(losses(one), abs=within)
    assert losses(one)[-1] < losses(one)[0] - 0.1
    ours, theirs = (load_file(out / "model.safetensors") for out in (one, together))
    assert ours.keys() == theirs.keys()
    for name, weight in ours.items():
        assert theirs[name].dtype == torch.bfloat16
        torch.testing.assert_close(theirs[name], weight, atol=2e-2, rtol=0.1)
    shards = list((together / "run" / "checkpoints").glob("checkpoint-8/pytorch_model_fsdp_0"))
    assert bool(shards) == (program is SHARDED)
    made = json.loads((together / "making.json").read_text())
    assert made["devices"] == 2 and made["steps"] == 8


@pytest.mark.parametrize("program", [COPIED, SHARDED], ids=["copied", "sharded"])
def test_a_killed_run_of_two_processes_goes_on_with_the_same_losses(
    tmp_path: Path, program: list[str]
) -> None:
    whole = torchrun(program, flags(tmp_path, "whole"))
    assert whole.returncode == 0, whole.stderr[-3000:]
    killed = tmp_path / "killed"
    told = flags(tmp_path, "killed")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([*command, *program, *told], env=environment, cwd=ROOT, start_new_session=True)
    while not (killed / "run" / "checkpoints" / "checkpoint-3" / "whole").exists() and process.poll() is None:
        pass
    os.killpg(process.pid, 9)
    process.wait()
    assert not (killed / "making.json").exists()
    again = torchrun(program, told)
    assert again.returncode == 0, again.stderr[-3000:]
    assert losses(killed) == losses(tmp_path / "whole")
