"""What a grading process does: read a pair from the pipe, ask math-verify, send the verdict back.

It runs in a process of its own because math-verify stops itself by signal.alarm, which needs the main thread.
"""

import logging
from multiprocessing.connection import Connection

# Beyond this an expression is not an answer, and sympy may take minutes or gigabytes over it.
LONGEST = 2000


def serve(pipe: Connection) -> None:
    """Say None when ready; then answer (gold, said) with (right, failure) until the other end closes."""
    import math_verify  # noqa: F401 - takes a second: before the clock of the first question runs

    logging.disable(logging.CRITICAL)  # math-verify logs a traceback for each expression it cannot read
    pipe.send(None)
    while True:
        try:
            gold, said = pipe.recv()
        except (EOFError, KeyboardInterrupt):
            return
        pipe.send(judged(gold, said))


def judged(gold: str, said: str) -> tuple[bool | None, str]:
    from math_verify import parse, verify
    from math_verify.errors import TimeoutException

    if len(said) > LONGEST:
        return None, f"the answer has {len(said)} characters"
    try:
        wanted = parse(boxed(gold), raise_on_error=True)
        got = parse(boxed(said), raise_on_error=True)
        if not wanted:
            return None, f"math-verify cannot read the reference answer {gold!r}"
        return bool(verify(wanted, got, raise_on_error=True)), ""
    except TimeoutException as error:  # no Exception, but a BaseException of its own
        return None, f"math-verify: {error}"
    except Exception as error:  # noqa: BLE001 - the edge of this process: sympy raises anything, and it is reported
        return None, f"math-verify: {type(error).__name__}: {error}"


def boxed(expression: str) -> str:
    return f"\\boxed{{{expression}}}"
