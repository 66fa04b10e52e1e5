"""Questions that cannot be asked in text alone, by the string rules of the paper (s1, data/filter.ipynb)."""

import re

from curation.row import Row
from curation.run.stage import Fault

# "p1." to "p999.": numbered parts of a sheet of problems that were cut into one.
_PART = re.compile(r"p[1-9]\d{0,2}\.")
# "**2.**", "**(b3)**": a bold label with a digit in it or anywhere behind it on its line.
_BOLD_NUMBER = re.compile(r"\*\*(?=.*\d)[^\s\]]*\*\*")
# Not in the paper, which looked for "![Image]" only: pictures of other sources carry no caption.
_PICTURE = re.compile(r"!\[[^\]]*\]\(")


def drawn(row: Row) -> Fault | None:
    """Asymptote code draws a figure; AIME's is kept, as in the paper."""
    if "[asy]" in row.problem.question and row.problem.source != "aime":
        return Fault("drawing", "[asy]")
    return None


def pictured(row: Row) -> Fault | None:
    question = row.problem.question
    if "![Image]" in question:
        return Fault("picture", "![Image]")
    match = _PICTURE.search(question)
    return Fault("picture", match.group()) if match else None


def numbered_part(row: Row) -> Fault | None:
    match = _PART.search(row.problem.question)
    return Fault("numbered_part", match.group()) if match else None


def bold_number(row: Row) -> Fault | None:
    match = _BOLD_NUMBER.search(row.problem.question)
    return Fault("bold_number", match.group()) if match else None


def no_reference(row: Row) -> Fault | None:
    """Nothing to grade by (USACO and LiveCodeBench: the paper drops them as rows with a missing feature)."""
    missing = not row.problem.answer.strip() and not row.problem.solution.strip()
    return Fault("no_reference", "neither answer nor solution") if missing else None
