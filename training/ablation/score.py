"""Scores a checkpoint with subprocesses: the real server on a free port, and `s1-eval` against it."""

import subprocess
import sys
from collections.abc import Sequence

from training.ablation.plan import Ablation, Checkpoint
from training.errors import TrainingError
from training.served import serving


def score(ablation: Ablation, checkpoint: Checkpoint) -> None:
    """Run `s1-eval sweep` and its report; an interrupted sweep is continued.

    Raises:
        TrainingError: The server does not start, or a command fails.
    """
    checkpoint.results.parent.mkdir(parents=True, exist_ok=True)
    waits = ",".join(map(str, ablation.waits))
    log = checkpoint.results.with_suffix(".server.log")
    with serving(checkpoint.model, checkpoint.name, log) as url:
        flags = ["--task", "nano", "--model", checkpoint.name, "--problems", str(ablation.problems)]
        flags += [
            "--waits",
            waits,
            "--majority",
            "0",
            "--base-url",
            f"{url}/v1",
            "--out",
            str(checkpoint.results),
        ]
        _run(["-m", "evals", "sweep", *flags])
    _run(["-m", "evals", "report", str(checkpoint.results)], quiet=True)


def _run(command: Sequence[str], quiet: bool = False) -> None:
    done = subprocess.run(
        [sys.executable, *command], stdout=subprocess.DEVNULL if quiet else None, check=False
    )
    if done.returncode:
        raise TrainingError(f"{' '.join(command)}: ended with {done.returncode}")
