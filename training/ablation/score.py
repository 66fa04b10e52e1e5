"""Scores a checkpoint with subprocesses: the real server on a free port, and `s1-eval` against it."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from training.ablation.plan import Ablation, Checkpoint
from training.errors import TrainingError

READY_WITHIN_S = 900.0
# As for the embedded model: vLLM's defaults would take most of the memory.
SIZES = ("--max-num-seqs", "128", "--kv-cache-memory-bytes", str(2**30))


def score(ablation: Ablation, checkpoint: Checkpoint) -> None:
    """Run `s1-eval sweep` and its report; an interrupted sweep is continued.

    Raises:
        TrainingError: The server does not start, or a command fails.
    """
    checkpoint.results.parent.mkdir(parents=True, exist_ok=True)
    waits = ",".join(map(str, ablation.waits))
    with serving(checkpoint) as url:
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


@contextmanager
def serving(checkpoint: Checkpoint) -> Iterator[str]:
    """The base URL of a server for this checkpoint, as a context.

    Raises:
        TrainingError: It is not ready within READY_WITHIN_S seconds, or exits.
    """
    port, log = _free_port(), checkpoint.results.with_suffix(".server.log")
    command = ["-m", "server", "--model", str(checkpoint.model), "--served-model-name", checkpoint.name]
    command += ["--host", "127.0.0.1", "--port", str(port), *SIZES]
    with log.open("w") as out:
        process = subprocess.Popen([sys.executable, *command], stdout=out, stderr=subprocess.STDOUT)
    try:
        _wait_until_ready(process, f"http://127.0.0.1:{port}", log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _wait_until_ready(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    until = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < until:
        if process.poll() is not None:
            raise TrainingError(f"the server ended with {process.returncode}: see {log}")
        try:
            with urlopen(f"{url}/health", timeout=5) as reply:
                if reply.status == 200:
                    return
        except (URLError, OSError):
            time.sleep(0.5)
    raise TrainingError(f"the server was not ready within {READY_WITHIN_S:.0f} s: see {log}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _run(command: Sequence[str], quiet: bool = False) -> None:
    done = subprocess.run(
        [sys.executable, *command], stdout=subprocess.DEVNULL if quiet else None, check=False
    )
    if done.returncode:
        raise TrainingError(f"{' '.join(command)}: ended with {done.returncode}")
