"""The real server shared by the suite: `s1-serve` with the embedded model, started as a user would."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, settings

from server.environment import set_engine_environment

pytest_plugins = ["tests.engine_marker"]
SCORERS = ("score", "classify", "pooling", "judge")
PRESETS = {
    "deep": {"thinking_budget": {"max_tokens": 90, "num_waits": 2}},
    "vote": {"thinking_budget": 16, "scaling": {"method": "majority", "n": 3}},
}
READY_WITHIN_S = 600.0
SETPRIV = shutil.which("setpriv")
MORTAL = [SETPRIV, "--pdeathsig", "KILL"] if SETPRIV else []
"""In front of a command: it ends with the tests, also where these are killed."""

set_engine_environment()  # before any test imports vLLM
settings.register_profile("any_machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any_machine")


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class ServerProcess:
    """A separate `s1-serve` on a free port."""

    def __init__(
        self, log: Path, flags: Sequence[str] = (), environment: dict[str, str] | None = None
    ) -> None:
        port = free_port()
        self.scorer_port = 0
        """Where the server looks for its scorers; nobody is there unless a test is."""
        self.url = f"http://127.0.0.1:{port}"
        self.log = log
        self.started = time.monotonic()
        with log.open("w") as out:
            self.process = subprocess.Popen(
                [*MORTAL, sys.executable, "-m", "server", "--port", str(port), *flags],
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
            )

    def wait_until_ready(self) -> float:
        """Seconds from the start to the first 200 of /health."""
        while time.monotonic() - self.started < READY_WITHIN_S:
            if self.process.poll() is not None:
                pytest.fail(
                    f"the server ended with {self.process.returncode}:\n{self.log.read_text()[-3000:]}"
                )
            try:
                if httpx.get(f"{self.url}/health", timeout=5).status_code == 200:
                    return time.monotonic() - self.started
            except httpx.TransportError:
                time.sleep(0.1)
        self.stop()
        pytest.fail(f"the server was not ready within {READY_WITHIN_S} s:\n{self.log.read_text()[-3000:]}")

    def stop(self) -> int:
        """Send SIGTERM and return the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=300)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The shared server; tests must not change its state."""
    tools = ["--enable-auto-tool-choice", "--tool-call-parser", "hermes"]
    # A model that never learned JSON would fill it with spaces.
    tools += ["--structured-outputs-config", '{"backend": "xgrammar", "disable_any_whitespace": true}']
    port = free_port()
    tools += [
        "--scorers",
        json.dumps({kind: {"kind": kind, "url": f"http://127.0.0.1:{port}"} for kind in SCORERS}),
    ]
    tools += ["--presets", json.dumps(PRESETS)]
    process = ServerProcess(tmp_path_factory.mktemp("server") / "server.log", tools)
    process.scorer_port = port
    process.wait_until_ready()
    yield process
    process.stop()


@pytest.fixture(scope="session")
def server_url(server: ServerProcess) -> str:
    """Its base URL, without /v1."""
    return server.url
