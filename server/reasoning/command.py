"""Shared by the commands of curation, training and evals: exit statuses and the lock on an output folder."""

import fcntl
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def exit_status(program: str, work: Callable[[], int], *errors: type[Exception]) -> int:
    """Run `work` and return the exit status of the command.

    Returns 1 for one of `errors`, printed as one line to stderr, 1 for a closed output pipe, 130 for Ctrl-C,
    and otherwise what `work` returns. Other exceptions propagate.
    """
    try:
        status = work()
        sys.stdout.flush()
        return status
    except errors as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader, such as `| head`, has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print(f"{program}: stopped; the same command goes on from here", file=sys.stderr)
        return 130


@contextmanager
def held(folder: Path, error: Callable[[str], Exception]) -> Iterator[None]:
    """Lock a folder against other runs while the context is open; a missing folder is created.

    The folder itself is locked with flock: no lock file remains, and a killed process releases the lock. On a
    file system without locks the folder is used unlocked.

    Raises:
        error(message): The folder cannot be written to, or another run holds the lock.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as cause:
        raise error(f"{folder} cannot be written to ({cause.strerror})") from cause
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as cause:
        os.close(handle)
        raise error(f"{folder}: another run is working in this folder") from cause
    except OSError:
        pass  # a file system without locks, as some clusters have
    try:
        yield
    finally:
        os.close(handle)
