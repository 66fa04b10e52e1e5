"""How a command ends: what it says, and its exit status, in a process of its own."""

import subprocess
import sys

import pytest

HEAD = "import sys; from server.reasoning.command import exit_status\n"


def ended(work: str) -> subprocess.CompletedProcess[str]:
    code = f"{HEAD}{work}\nsys.exit(exit_status('s1-x', work, LookupError))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)


@pytest.mark.parametrize(
    ("work", "status", "said"),
    [
        ("def work(): return 3", 3, ""),
        ("def work(): raise KeyError('row 7')", 1, "s1-x: 'row 7'\n"),
        ("def work(): raise KeyboardInterrupt", 130, "s1-x: stopped; the same command goes on from here\n"),
    ],
)
def test_a_command_ends_with_its_status_and_one_line(work: str, status: int, said: str) -> None:
    done = ended(work)
    assert (done.returncode, done.stderr) == (status, said)


def test_an_error_that_nobody_foresaw_keeps_its_traceback() -> None:
    done = ended("def work(): raise ZeroDivisionError")
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_a_reader_that_has_seen_enough_is_no_error_of_ours() -> None:
    work = "def work():\n for _ in range(100_000): print('a line that nobody reads')\n return 0"
    code = f"{HEAD}{work}\nsys.exit(exit_status('s1-x', work))"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stderr is not None
        writer.stdout.readline()
        writer.stdout.close()
        said = writer.stderr.read()
    assert (writer.returncode, said) == (1, b"")
