"""HTTP servers in processes of their own: ours and stock vLLM's, for the stages that ask over HTTP."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.error import URLError
from urllib.request import urlopen

from server.environment import set_engine_environment

OURS = "server"
STOCK = "vllm.entrypoints.openai.api_server"
READY_WITHIN_S = 240.0


@dataclass(frozen=True, slots=True)
class Server:
    """`pid`: of the API process, the engine's being its child."""

    url: str
    pid: int
    ready_s: float

    def cpu_seconds(self) -> float:
        """Of the API process so far, its children not included."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(module: str, flags: Sequence[str]) -> Iterator[Server]:
    """A server that is ready. What it says goes to this process's output.

    Raises:
        RuntimeError: it ended, or was not ready in time.
    """
    with starting(module, flags) as wait:
        yield wait()


@contextmanager
def starting(module: str, flags: Sequence[str], log: IO[str] = sys.stdout) -> Iterator["Wait"]:
    """A server that is on its way; call what is given to wait for it, so that several start at once."""
    set_engine_environment()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", module, "--host", "127.0.0.1", "--port", str(port), *flags]
    # The engine in a process of its own, so that the API process's time is the API's alone.
    environment = {**os.environ, "VLLM_ENABLE_V1_MULTIPROCESSING": "1"}
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
    try:
        yield Wait(process, f"http://127.0.0.1:{port}", time.monotonic())
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass(frozen=True, slots=True)
class Wait:
    """For one server."""

    process: "subprocess.Popen[bytes]"
    url: str
    began: float

    def __call__(self) -> Server:
        """Wait until it answers.

        Raises:
            RuntimeError: it ended, or was not ready in time.
        """
        while time.monotonic() - self.began < READY_WITHIN_S:
            if (status := self.process.poll()) is not None:
                raise RuntimeError(f"the server ended with {status}")
            try:
                with urlopen(f"{self.url}/health", timeout=5):
                    return Server(self.url, self.process.pid, round(time.monotonic() - self.began, 1))
            except (URLError, OSError):
                time.sleep(0.2)
        raise RuntimeError(f"the server was not ready within {READY_WITHIN_S:.0f} s")
