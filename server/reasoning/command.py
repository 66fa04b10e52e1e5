"""What the workshops' commands share: how they end, and that one process at a time has their out folder."""

import fcntl
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def exit_status(program: str, work: Callable[[], int], *errors: type[Exception]) -> int:
    """Do the work: an error is one line, Ctrl-C and a closed pipe are no tracebacks. Returns 1 for one of
    `errors`, which is said, 130 for Ctrl-C, else what the work gives.
    """
    try:
        status = work()
        sys.stdout.flush()
        return status
    except errors as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print(f"{program}: stopped; the same command goes on from here", file=sys.stderr)
        return 130


@contextmanager
def held(folder: Path, error: Callable[[str], Exception]) -> Iterator[None]:
    """Nobody else works in this folder meanwhile; it is made where it is missing. Raises `error`.

    The folder itself is locked: no lock file is left behind, and a killed process lets go.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as why:
        raise error(f"{folder} cannot be written to ({why.strerror})") from why
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as why:
        os.close(handle)
        raise error(f"{folder}: another run is working in this folder") from why
    except OSError:
        pass  # a file system without locks, as some clusters have
    try:
        yield
    finally:
        os.close(handle)
