"""No engine outlives its server.

vLLM's engine ends when it is told to. A server that is killed (SIGKILL, the kernel's OOM killer) tells
nobody: the engine, and the device's memory with it, would stay for ever (vllm-project/vllm#55510).
"""

import multiprocessing
import os
import signal
import threading
import time
from multiprocessing.context import ForkProcess
from typing import Any

from vllm.v1.engine.coordinator import DPCoordinatorProc
from vllm.v1.engine.core import EngineCoreProc

from server.engine.launch.leaving import leave
from server.engine.launch.weight_transfer import register_file_weights
from server.engine.worker.failed_grammars import keep_failures

LOOK_EVERY_S = 1.0
BOUND = "_S1_ENGINE_IS_BOUND"
"""In the environment of an engine that ends with this process, and of its workers."""
_run_engine_core = EngineCoreProc.run_engine_core
_run_coordinator = DPCoordinatorProc.run_coordinator


def bind_engines() -> None:
    """Let engines that start from now on end with this process: replaces the functions that vLLM starts."""
    EngineCoreProc.run_engine_core = staticmethod(run_engine_core)
    DPCoordinatorProc.run_coordinator = staticmethod(run_coordinator)


def run_engine_core(*args: Any, **kwargs: Any) -> None:
    """The main function of an engine's process, found by this name where it is spawned and not forked.

    Its workers watch it.

    Raises:
        SystemExit: The engine has ended in an error.
    """
    _bind_this_process()
    keep_failures()
    register_file_weights()
    try:
        _run_engine_core(*args, **kwargs)
    except SystemExit as end:
        # A forked process ends in that way by itself.
        if end.code or isinstance(multiprocessing.current_process(), ForkProcess):
            raise
        leave(0)


def run_coordinator(*args: Any, **kwargs: Any) -> None:
    """The main function of the process that coordinates data-parallel engines."""
    _bind_this_process()
    _run_coordinator(*args, **kwargs)


def die_with_parent() -> None:
    """Watch the process that started this one, and end with it."""
    threading.Thread(target=_watch_parent, name="s1_orphan", daemon=True).start()


def _bind_this_process() -> None:
    os.environ[BOUND] = "1"
    die_with_parent()


def _watch_parent() -> None:
    # Not by the pipe that multiprocessing holds for this: whatever else was forked holds it, too.
    parent = multiprocessing.parent_process()
    while parent is not None and os.getppid() == parent.pid:
        time.sleep(LOOK_EVERY_S)
    os.kill(os.getpid(), signal.SIGKILL)  # nobody is left to report to
