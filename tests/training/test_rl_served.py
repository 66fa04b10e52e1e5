"""`s1-train rl` with the real s1-nano and server: what is learnt is served, and a killed run goes on."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import MORTAL
from training.__main__ import main
from training.recipes import NANO
from training.rl.prompts import prompts_of
from training.rl.recipes import RL_RECIPES

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(1800)]

STEPS = 6
FLAGS = ["rl", "--recipe", "nano-grpo-budget", "--steps", str(STEPS), "--prompts", "4", "--samples", "4"]
FLAGS += ["--micro-batch", "8", "--save-every", "2", "--learning-rate", "5e-4", "--warm-up", "0"]


def lines(out: Path, name: str) -> list[dict[str, Any]]:
    """Those that are complete; the file is left as it is."""
    path = out / "run" / name
    told = path.read_text().splitlines(True) if path.exists() else []
    return [json.loads(line) for line in told if line.endswith("\n")]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without a break."""
    out = tmp_path_factory.mktemp("whole") / "ckpt"
    assert main([*FLAGS, "--out", str(out)]) == 0
    return out


def test_server_serves_the_weights_of_each_step(whole: Path) -> None:
    told = lines(whole, "metrics.jsonl")
    assert [one["step"] for one in told] == list(range(1, STEPS + 1))
    moved = load_file(whole / "model.safetensors"), load_file(NANO / "model.safetensors")
    assert moved[0].keys() == moved[1].keys()
    assert not all(torch.equal(moved[0][name], moved[1][name]) for name in moved[0])
    # What the server said of its tokens is what the trainer's own weights say of them, to bf16's rounding.
    assert max(one["logprob_drift"] for one in told) < 0.01
    assert any(one["grad_norm"] > 0 for one in told)
    rewards = lines(whole, "rewards.jsonl")
    asked = list(prompts_of(RL_RECIPES["nano-grpo-budget"]))[: len(rewards)]
    assert len(rewards) == STEPS * 4 and all(len(one["right"]) == 4 for one in rewards)
    assert [one["told"] for one in rewards] != [None] * len(rewards) and asked


def finished(out: Path) -> dict[str, Any]:
    made: dict[str, Any] = json.loads((out / "making.json").read_text())
    return made


@contextmanager
def running(out: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """The command in a process of its own."""
    log = out.with_suffix(".log").open("w")
    command = [*MORTAL, sys.executable, "-m", "training", *FLAGS, "--out", str(out)]
    process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        log.close()


def server_of(out: Path) -> list[int]:
    """The processes whose command line names this run's server: by the log that they hold open."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "fd" / "1").readlink() == out / "run" / "server.log":
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def test_killed_run_goes_on_as_if_nothing_had_happened(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "ckpt"
    with running(out) as process:
        while len(lines(out, "metrics.jsonl")) < 3:
            assert process.poll() is None, out.with_suffix(".log").read_text()[-2000:]
            time.sleep(0.2)
        process.send_signal(signal.SIGKILL)
    killed = [one for one in lines(out, "metrics.jsonl") if one["step"] <= 2]  # its checkpoint is of step 2
    until = time.monotonic() + 60
    while server_of(out):
        assert time.monotonic() < until, "the server outlives the run"
        time.sleep(0.5)
    assert not (out / "making.json").exists()
    assert main([*FLAGS, "--out", str(out)]) == 0
    assert finished(out)["rollouts"] == finished(whole)["rollouts"] == STEPS * 16
    once, again = lines(whole, "rewards.jsonl"), lines(out, "rewards.jsonl")
    assert [(one["step"], one["told"]) for one in again] == [(one["step"], one["told"]) for one in once]
    told = lines(out, "metrics.jsonl")
    assert told[:2] == killed and [one["step"] for one in told] == list(range(1, STEPS + 1))
    # One schedule and one count of tokens: what was done before the kill counts.
    assert told[-1]["tokens"] > killed[-1]["tokens"] and told[-1]["seconds"] > killed[-1]["seconds"]
    shutil.rmtree(out)
