"""A checkpoint behind the real server, `python -m server` on a free port of this machine, as a subprocess."""

import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from training.errors import TrainingError

READY_WITHIN_S = 900.0
# As for the embedded model: vLLM's defaults would take most of the memory.
SIZES = ("--max-num-seqs", "128", "--kv-cache-memory-bytes", str(2**30))


@contextmanager
def serving(model: Path, name: str, log: Path, *flags: str) -> Iterator[str]:
    """The base URL, without /v1, of a server for this checkpoint, as a context; its output goes to `log`.

    It ends with this process, also where that is killed.

    Raises:
        TrainingError: It is not ready within READY_WITHIN_S seconds, or exits.
    """
    port = _free_port()
    command = ["-m", "server", "--model", str(model), "--served-model-name", name]
    command += ["--host", "127.0.0.1", "--port", str(port), *SIZES, *flags]
    with log.open("w") as out:
        process = subprocess.Popen(
            [*_mortal(), sys.executable, *command], stdout=out, stderr=subprocess.STDOUT
        )
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


def _mortal() -> list[str]:
    """In front of a command: it gets a SIGTERM when this process dies. Nothing where there is no setpriv."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM"] if setpriv else []


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
