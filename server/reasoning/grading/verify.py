"""The main loop of a grading process: read a pair from the pipe, call math-verify, send the verdict back.

It needs its own process because math-verify enforces its timeouts with signal.alarm in the main thread.
"""

import logging
from multiprocessing.connection import Connection

# A longer text is not an answer, and sympy may need minutes or gigabytes to parse it.
LONGEST = 2000


def serve(pipe: Connection) -> None:
    """Send None when ready, then answer each (gold, predicted) with (right, failure).

    Returns when the other end of the pipe is closed.
    """
    import math_verify  # noqa: F401 - takes a second, which must not count against the first comparison

    logging.disable(logging.CRITICAL)  # math-verify logs a traceback for each expression it cannot read
    pipe.send(None)
    while True:
        try:
            gold, predicted = pipe.recv()
        except (EOFError, KeyboardInterrupt):
            return
        pipe.send(judged(gold, predicted))


def judged(gold: str, predicted: str) -> tuple[bool | None, str]:
    """Whether `predicted` equals `gold` as a mathematical expression: (right, failure).

    `right` is None when the comparison failed; `failure` then says why.
    """
    from math_verify import parse, verify
    from math_verify.errors import TimeoutException

    if len(predicted) > LONGEST:
        return None, f"the answer has {len(predicted)} characters"
    try:
        expected = parse(boxed(gold), raise_on_error=True)
        got = parse(boxed(predicted), raise_on_error=True)
        if not expected:
            return None, f"math-verify cannot read the reference answer {gold!r}"
        return bool(verify(expected, got, raise_on_error=True)), ""
    except TimeoutException as error:  # derived from BaseException, not from Exception
        return None, f"math-verify: {error}"
    except Exception as error:  # noqa: BLE001 - process edge: sympy raises arbitrary exceptions, and they are reported
        return None, f"math-verify: {type(error).__name__}: {error}"


def boxed(expression: str) -> str:
    r"""The expression inside `\boxed{}`, which math-verify reads without further delimiters."""
    return f"\\boxed{{{expression}}}"
