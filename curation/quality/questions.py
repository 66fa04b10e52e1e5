"""Rules that drop questions which are not plain text: string rules of the paper (s1, data/filter.ipynb)."""

import re

from curation.row import Row
from curation.run.stage import Fault

# "p1." to "p999.": numbered parts of a problem sheet.
_PART = re.compile(r"p[1-9]\d{0,2}\.")
# "**2.**", "**(b3)**": a bold label with a digit in it or later on its line.
_BOLD_NUMBER = re.compile(r"\*\*(?=.*\d)[^\s\]]*\*\*")
# Not in the paper, which looks for "![Image]" only: pictures of other sources have other captions.
_PICTURE = re.compile(r"!\[[^\]]*\]\(")


def drawn(row: Row) -> Fault | None:
    """A rule: drop questions with Asymptote figures, except AIME's, as in the paper."""
    if "[asy]" in row.problem.question and row.problem.source != "aime":
        return Fault("drawing", "[asy]")
    return None


def pictured(row: Row) -> Fault | None:
    """A rule: drop questions that refer to a picture."""
    question = row.problem.question
    if "![Image]" in question:
        return Fault("picture", "![Image]")
    match = _PICTURE.search(question)
    return Fault("picture", match.group()) if match else None


def numbered_part(row: Row) -> Fault | None:
    """A rule: drop questions that are a numbered part of a larger sheet."""
    match = _PART.search(row.problem.question)
    return Fault("numbered_part", match.group()) if match else None


def bold_number(row: Row) -> Fault | None:
    """A rule: drop questions with a bold label that contains a digit."""
    match = _BOLD_NUMBER.search(row.problem.question)
    return Fault("bold_number", match.group()) if match else None


def no_reference(row: Row) -> Fault | None:
    """A rule: drop rows without answer and solution, which cannot be graded.

    These are USACO and LiveCodeBench; the paper drops them as rows with a missing feature.
    """
    missing = not row.problem.answer.strip() and not row.problem.solution.strip()
    return Fault("no_reference", "neither answer nor solution") if missing else None
