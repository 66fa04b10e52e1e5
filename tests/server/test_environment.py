"""What the server sets for itself and its children."""

import os
import subprocess
import sys

import pytest

LEAVES_A_SEMAPHORE = """
import multiprocessing, os, sys
from server.environment import set_engine_environment
if sys.argv[1:]:
    set_engine_environment()
semaphore = multiprocessing.get_context("spawn").Semaphore(1)
os._exit(0)
"""


@pytest.mark.parametrize("filters", ["", "default"], ids=["", "with the user's own filters"])
def test_nothing_is_said_of_what_a_killed_process_has_left(filters: str) -> None:
    def said(*words: str) -> str:
        environment = {**os.environ, "PYTHONWARNINGS": filters}
        command = [sys.executable, "-c", LEAVES_A_SEMAPHORE, *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stderr

    assert "resource_tracker" in said()
    assert "resource_tracker" not in said("set")
