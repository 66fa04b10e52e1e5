"""The parts and their stages, and how a stage is run: a process of its own with a limit of its own.

One that fails, or runs past its limit, leaves its error and the end of its log in its file; the next starts.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from server.engine.bench.gpu.result import ResultFile

PART_LIMIT_S = 240.0
REDUCED_PATIENCE = 8.0
"""A part in reduced form, on a few CPU cores, may take this much longer."""
LEAST_S = 8.0
"""No stage is started for less."""
LOG_CHARACTERS = 6000
GRACE_S = 3.0
V1 = {"VLLM_USE_V2_MODEL_RUNNER": "0"}
V2 = {"VLLM_USE_V2_MODEL_RUNNER": "1"}


@dataclass(frozen=True, slots=True)
class BenchStage:
    """`module` is run with --out FILE, `arguments` and, if reduced, --reduced. The limit is one H100's."""

    name: str
    module: str
    limit_s: float
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


def _here(name: str) -> str:
    return f"server.engine.bench.gpu.{name}"


def _exactness(name: str, limit_s: float, environment: Mapping[str, str], *arguments: str) -> BenchStage:
    return BenchStage(f"exactness-{name}", _here("exactness"), limit_s, arguments, environment)


def _cost(name: str, limit_s: float, environment: Mapping[str, str], *arguments: str) -> BenchStage:
    return BenchStage(name, _here("cost"), limit_s, ("--model", "s1-nano", *arguments), environment)


def _training(name: str, limit_s: float, model: str) -> BenchStage:
    # As `s1-train` does: spinning, OpenMP's threads take the cores from others on a machine without a GPU.
    return BenchStage(name, "training.bench.gpu", limit_s, ("--model", model), {"GOMP_SPINCOUNT": "0"})


NGRAM = (
    "--speculative-config",
    '{"method": "ngram", "num_speculative_tokens": 4, "prompt_lookup_max": 4}',
)
MACHINE = BenchStage("machine", _here("machine"), 15)
PARTS: dict[str, tuple[BenchStage, ...]] = {
    "exactness": (
        MACHINE,
        _exactness("v1-eager", 50, V1, "--enforce-eager", "--no-async-scheduling"),
        _exactness("v1-graphs", 60, V1),
        _exactness("v2-graphs", 60, V2),
        _exactness("v2-ngram", 50, V2, *NGRAM),
    ),
    "cost": (
        MACHINE,
        BenchStage("cost-8b", _here("cost"), 135, ("--model", "qwen3-8b")),
        BenchStage("cost-nano", _here("cost"), 35, ("--model", "s1-nano")),
        BenchStage("http", _here("http"), 55),
    ),
    "drafts": (
        MACHINE,
        _exactness("v1-ngram", 50, V1, *NGRAM),
        _cost("cost-v1-ngram", 45, V1, *NGRAM),
        _cost("cost-v2-ngram", 45, V2, *NGRAM),
        _cost("cost-v1", 40, V1),
        _cost("cost-v2", 40, V2),
    ),
    "training": (
        MACHINE,
        _training("sft-nano", 45, "s1-nano"),
        _training("sft-1.5b", 75, "qwen2.5-1.5b"),
        BenchStage("curve", _here("curve"), 100),
    ),
}
"""In the order of their worth: what comes last is cut first. Their limits add up to a part's at most."""


def run_part(
    stages: Sequence[BenchStage],
    out: Path,
    is_reduced: bool,
    limit_s: float = PART_LIMIT_S,
    say: Callable[[str], None] = print,
) -> bool:
    """Run them in turn within `limit_s`. Whether all succeeded, or had nothing to do here."""
    out.mkdir(parents=True, exist_ok=True)
    patience = REDUCED_PATIENCE if is_reduced else 1.0
    ends_at = time.monotonic() + limit_s * patience
    outcomes = []
    for stage in stages:
        result = ResultFile(out / f"{stage.name}.json")
        result.path.unlink(missing_ok=True)
        left_s = min(stage.limit_s * patience, ends_at - time.monotonic())
        outcomes.append(run_stage(stage, result, is_reduced, left_s))
        say(f"{stage.name}: {outcomes[-1]}, {ResultFile(result.path).fields['seconds']} s")
    return all(outcome in ("done", "skipped") for outcome in outcomes)


def run_stage(stage: BenchStage, result: ResultFile, is_reduced: bool, limit_s: float) -> str:
    """done, skipped, failed or cut; the file says why."""
    command = [sys.executable, "-m", stage.module, "--out", str(result.path), *stage.arguments]
    command += ["--reduced"] if is_reduced else []
    shown = [f"{name}={value}" for name, value in stage.environment.items()]
    named = {"stage": stage.name, "command": " ".join([*shown, "python", *command[1:]])}
    began = time.monotonic()
    if limit_s < LEAST_S:
        ResultFile(result.path).add(**named, status="cut", error="its part's time was over", seconds=0)
        return "cut"
    ResultFile(result.path).add(**named, status="running", limit_s=round(limit_s))
    with TemporaryFile("w+", errors="replace") as log:
        exit_status = _run(command, stage.environment, log, limit_s)
        end = _end_of(log)
    told = ResultFile(result.path)  # the stage has written to it
    seconds = round(time.monotonic() - began, 1)
    if exit_status == 0:
        status = "skipped" if "skipped" in told.fields else "done"
        told.add(status=status, seconds=seconds)
        return status
    status = "cut" if exit_status is None else "failed"
    error = f"not done after {limit_s:.0f} s" if exit_status is None else f"exit status {exit_status}"
    told.add(status=status, seconds=seconds, error=error, log=end)
    return status


def _run(command: Sequence[str], environment: Mapping[str, str], log: IO[str], limit_s: float) -> int | None:
    """The exit status; None where it had to be ended. Its engines are of its group, and end with it."""
    process = subprocess.Popen(
        command,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        return process.wait(limit_s)
    except subprocess.TimeoutExpired:
        return None
    finally:
        _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    for number, wait_s in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, None)):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(wait_s)
        except subprocess.TimeoutExpired:
            continue
        time.sleep(0.2)  # the group outlives its leader by as long as its engines take
    process.wait()


def _end_of(log: IO[str]) -> str:
    log.seek(0)
    return log.read()[-LOG_CHARACTERS:]
