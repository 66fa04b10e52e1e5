"""Rules that drop bad traces: missing, empty, truncated, without an end of thinking, or in a loop."""

import re

from curation.quality.repetition import find_loop
from curation.row import Row
from curation.run.stage import Fault
from server.reasoning.families import FAMILIES

# The marks of all families, and chat marks: a text that still contains one was split wrongly.
_MARKS = re.compile(
    "|".join(sorted({re.escape(mark) for family in FAMILIES.values() for mark in family.marks}, reverse=True))
    + r"|<\|im_(?:start|end)\|>|<\|(?:begin|end)_of_solution\|>"
)


def no_trace(row: Row) -> Fault | None:
    """A rule: drop rows without a trace."""
    return Fault("no_trace") if row.trace is None else None


def empty_thinking(row: Row) -> Fault | None:
    """A rule: drop traces without thinking."""
    empty = row.trace is not None and not row.trace.thinking.strip()
    return Fault("empty_thinking") if empty else None


def truncated(row: Row) -> Fault | None:
    """A rule: drop traces cut at the teacher's token limit."""
    cut = row.finish_reason == "length"
    return Fault("truncated", "its finish_reason is length") if cut else None


def unclosed_thinking(row: Row) -> Fault | None:
    """A rule: drop traces whose thinking did not end, so that there is no separate answer."""
    missing = row.trace is not None and not row.trace.answer.strip()
    return Fault("unclosed_thinking", "nothing follows the thinking") if missing else None


def marks_inside(row: Row) -> Fault | None:
    """A rule: drop traces with a thinking mark inside the thinking or the answer.

    Training on one would teach the model to open or close thinking twice.
    """
    if row.trace is None:
        return None
    match = _MARKS.search(row.trace.thinking) or _MARKS.search(row.trace.answer)
    return Fault("marks_inside", match.group()) if match else None


def looping(row: Row) -> Fault | None:
    """A rule: drop traces that run in a loop."""
    if row.trace is None:
        return None
    loop = find_loop(row.trace.thinking) or find_loop(row.trace.answer)
    return Fault(loop.kind, str(loop)) if loop else None


def not_right(row: Row) -> Fault | None:
    """A rule: keep correct traces only; the paper keeps wrong ones, too (53.6% of s1K are correct)."""
    if row.trace is None or row.trace.correct:
        return None
    return Fault("wrong_answer" if row.trace.correct is False else "ungraded_trace")
