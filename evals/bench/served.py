"""A server that runs as a command, and the kernel's counters of its processes (Linux)."""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from evals.bench.streams import BenchError

READY_WITHIN_S = 600.0
STOPPED_WITHIN_S = 60.0
POLL_INTERVAL_S = 0.05
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_USER, _SYSTEM, _PARENT = 11, 12, 1
"""Places in /proc/PID/stat, counted from behind the command's name."""


@dataclass(frozen=True, slots=True)
class Command:
    """How a server is started; `--port N` is appended."""

    words: Sequence[str]
    folder: Path
    environment: Mapping[str, str]

    @property
    def text(self) -> str:
        """As in a shell."""
        set_first = [f"{name}={value}" for name, value in self.environment.items()]
        return " ".join([*set_first, *self.words])


class Served:
    """Context manager: the server runs, and is ready. The process of the command is the API process."""

    def __init__(self, command: Command, log: Path) -> None:
        self._command = command
        self._log = log
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._words = [*command.words, "--port", str(port)]
        self.ready_s = 0.0
        """From the start to the first 200 of /health."""
        self.stop_s = 0.0
        """From SIGTERM to the end; 0 while it runs."""

    def __enter__(self) -> Self:
        began = time.perf_counter()
        with self._log.open("wb") as out:
            self._process = subprocess.Popen(
                self._words,
                cwd=self._command.folder,
                env={**os.environ, **self._command.environment},
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        while not self._is_ready():
            if self._process.poll() is not None or time.perf_counter() - began > READY_WITHIN_S:
                self._process.kill()
                raise BenchError(f"{self._command.text} is not ready: see {self._log}")
            time.sleep(POLL_INTERVAL_S)
        self.ready_s = time.perf_counter() - began
        return self

    def __exit__(self, *_: object) -> None:
        began = time.perf_counter()
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOPPED_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.stop_s = time.perf_counter() - began

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    @property
    def cpu_s(self) -> float:
        """Seconds of CPU of the API process so far, all its threads, without the engine's process."""
        fields = _stat(self._process.pid)
        return (int(fields[_USER]) + int(fields[_SYSTEM])) / _TICKS_PER_S

    @property
    def resident_bytes(self) -> int:
        """Of the API process and all that it started; what they share is counted once (Pss)."""
        return sum(_resident(pid) for pid in (self._process.pid, *_descendants(self._process.pid)))

    @property
    def descriptors(self) -> int:
        """Open files and sockets of the API process and all that it started."""
        return sum(_descriptors(pid) for pid in (self._process.pid, *_descendants(self._process.pid)))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _descendants(pid: int) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int(_stat(int(entry.name))[_PARENT])
        except OSError:
            continue  # it has just ended
        if parent == pid:
            yield int(entry.name)
            yield from _descendants(int(entry.name))


def _resident(pid: int) -> int:
    """Bytes of physical memory; of a page that several processes have, a share (Pss)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _descriptors(pid: int) -> int:
    try:
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return 0  # it has just ended
