"""A process that leaves does all that an exit does, but free its objects one by one."""

import subprocess
import sys

import pytest

PROGRAM = """
import atexit, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from server.engine.launch.leaving import leave

class Kept:
    def __del__(self):
        print("taken apart")

kept = Kept()
atexit.register(print, "exit handler")
pool = ThreadPoolExecutor(1)
pool.submit(lambda: (time.sleep(0.2), print("pool")))
threading.Thread(target=lambda: (time.sleep(0.4), print("thread"))).start()
print("unflushed", end="")
{last}
"""


@pytest.mark.parametrize("status", [0, 1])
def test_what_is_to_happen_at_an_exit_happens_and_nothing_is_taken_apart(status: int) -> None:
    left, exited = (
        subprocess.run(
            [sys.executable, "-c", PROGRAM.format(last=last)], capture_output=True, text=True, check=False
        )
        for last in (f"leave({status})", f"sys.exit({status})")
    )
    assert left.returncode == exited.returncode == status
    assert left.stdout == "unflushedpool\nthread\nexit handler\n"
    assert exited.stdout == left.stdout + "taken apart\n"
    assert left.stderr == exited.stderr == ""
