"""Traces that teach nothing or the wrong thing: none at all, empty, cut, without an end of thinking, in a
loop.
"""

import re

from curation.quality.repetition import find_loop
from curation.row import Row
from curation.run.stage import Fault
from server.reasoning.families import FAMILIES

# The marks of every family the server knows, and the chat's own: a text that still holds one was split
# wrongly.
_MARKS = re.compile(
    "|".join(sorted({re.escape(mark) for family in FAMILIES.values() for mark in family.marks}, reverse=True))
    + r"|<\|im_(?:start|end)\|>|<\|(?:begin|end)_of_solution\|>"
)


def no_trace(row: Row) -> Fault | None:
    return Fault("no_trace") if row.trace is None else None


def empty_thinking(row: Row) -> Fault | None:
    empty = row.trace is not None and not row.trace.thinking.strip()
    return Fault("empty_thinking") if empty else None


def truncated(row: Row) -> Fault | None:
    """The teacher ran into its limit: the text stops anywhere."""
    cut = row.finish_reason == "length"
    return Fault("truncated", "its finish_reason is length") if cut else None


def unclosed_thinking(row: Row) -> Fault | None:
    """Thinking went on to the end, so that there is no answer apart from it."""
    missing = row.trace is not None and not row.trace.answer.strip()
    return Fault("unclosed_thinking", "nothing follows the thinking") if missing else None


def marks_inside(row: Row) -> Fault | None:
    """A thinking mark inside the thinking or the answer: training on it would teach to open or
    close twice.
    """
    if row.trace is None:
        return None
    match = _MARKS.search(row.trace.thinking) or _MARKS.search(row.trace.answer)
    return Fault("marks_inside", match.group()) if match else None


def looping(row: Row) -> Fault | None:
    if row.trace is None:
        return None
    loop = find_loop(row.trace.thinking) or find_loop(row.trace.answer)
    return Fault(loop.kind, str(loop)) if loop else None


def not_right(row: Row) -> Fault | None:
    """For runs that train on right traces only; the paper keeps wrong ones (53.6% of s1K are right)."""
    if row.trace is None or row.trace.correct:
        return None
    return Fault("wrong_answer" if row.trace.correct is False else "ungraded_trace")
