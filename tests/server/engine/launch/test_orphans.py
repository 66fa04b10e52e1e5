"""A server that is killed takes its engines with it; so do tests that are."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.conftest import MORTAL, ServerProcess

GONE_WITHIN_S = 300.0

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.mark.parametrize("engines", [1, 2])
def test_engines_of_a_killed_server_end(tmp_path: Path, engines: int) -> None:
    flags = ["--data-parallel-size", str(engines), "--max-num-seqs", "4"]
    server = ServerProcess(tmp_path / "server.log", [*flags, "--kv-cache-memory-bytes", str(1 << 26)])
    server.wait_until_ready()
    children = psutil.Process(server.process.pid).children(recursive=True)
    assert sum("EngineCore" in " ".join(each.cmdline()) for each in children) == engines
    server.process.kill()
    server.process.wait()
    began = time.monotonic()
    while (left := [each for each in children if _runs(each)]) and time.monotonic() - began < GONE_WITHIN_S:
        time.sleep(0.1)
    names = [each.name() for each in left]
    for each in left:
        each.kill()
    assert not names


@pytest.mark.skipif(not MORTAL, reason="needs Linux's setpriv")
def test_server_of_killed_tests_ends(tmp_path: Path) -> None:
    start = (
        "import pathlib, time; from tests.conftest import ServerProcess;"
        f"server = ServerProcess(pathlib.Path({str(tmp_path / 'log')!r}));"
        "print(server.process.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", start], stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout is not None
        server = psutil.Process(int(tests.stdout.readline()))
        while "setpriv" in server.cmdline()[0]:
            time.sleep(0.01)
        os.kill(tests.pid, signal.SIGKILL)
    began = time.monotonic()
    while _runs(server):
        assert time.monotonic() - began < GONE_WITHIN_S
        time.sleep(0.1)


def _runs(process: psutil.Process) -> bool:
    """Or waits for whoever has adopted it to notice its end."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
