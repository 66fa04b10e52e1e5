"""How the workshops' commands end: an error is one line, Ctrl-C and a closed pipe are no tracebacks."""

import os
import sys
from collections.abc import Callable


def exit_status(program: str, work: Callable[[], int], *errors: type[Exception]) -> int:
    """Do the work; 1 for one of `errors`, which is said, 130 for Ctrl-C, else what the work gives."""
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
