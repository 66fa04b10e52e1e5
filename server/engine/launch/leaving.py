"""The end of a process, without the interpreter taking itself apart.

Freeing every object of torch's and vLLM's takes longer than all else that happens on SIGTERM, and bindings
complain of what is then left (nanobind's leak reports); the kernel does it at once.
"""

import atexit
import os
import sys
import threading
from typing import NoReturn


def leave(status: int) -> NoReturn:
    """End this process: threads are joined, exit handlers run, what was printed is written, as always."""
    try:
        # The two that the interpreter calls at its end; neither has a public name.
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    finally:
        os._exit(status)
