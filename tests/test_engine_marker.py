"""The marker `engine` is set on what uses the shared server; whatever starts an engine without it fails."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CONFTEST = """
import pytest
pytest_plugins = ["tests.engine_marker"]

@pytest.fixture
def server():
    return "http://127.0.0.1"

@pytest.fixture
def server_url(server):
    return server
"""
STARTS = {
    "s1-serve": 'subprocess.run(["/x/bin/s1-serve", "--port", "1"])',
    "python -m server": 'subprocess.Popen([sys.executable, "-m", "server", "--port", "1"])',
    "EngineCore_DP0": 'multiprocessing.Process(name="EngineCore_DP0").start()',
}


def run_pytest(folder: Path, test: str, *flags: str) -> str:
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_it.py").write_text(f"import multiprocessing, pytest, subprocess, sys\n\n{test}\n")
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    engine: starts an engine\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *flags, str(folder)]
    done = subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("what", STARTS)
def test_an_unmarked_test_that_starts_an_engine_fails_and_is_told_what_to_add(
    what: str, tmp_path: Path
) -> None:
    said = run_pytest(tmp_path, f"def test_it():\n    {STARTS[what]}")
    assert "1 failed" in said
    assert f"this test starts {what if what != 's1-serve' else '/x/bin/s1-serve'} without the marker" in said
    assert "into test_it.py" in said


def test_whatever_uses_the_shared_server_is_left_out_without_a_mark(tmp_path: Path) -> None:
    said = run_pytest(tmp_path, "def test_it(server_url):\n    pass\n", "-m", "not engine")
    assert "1 deselected" in said


def test_other_commands_and_processes_need_no_marker(tmp_path: Path) -> None:
    test = "def test_it():\n    subprocess.run([sys.executable, '-m', 'this'], capture_output=True)"
    assert "1 passed" in run_pytest(tmp_path, test)
