"""Finds wrongly decoded text: replacement characters, control characters, mojibake."""

import re

from curation.row import Row
from curation.run.stage import Fault

_WRONG = re.compile(
    "\ufffd"  # the replacement character
    "|[\x00-\x08\x0b\x0e-\x1f\x7f]"  # control characters; tab, line ends and the page break are text
    "|[\ue000-\uf8ff]"  # private use: glyphs of a PDF's embedded font
    # UTF-8 read as Latin-1 or Windows-1252
    "|\u00c3[\u0080-\u00bf]|\u00c2[\u00a0-\u00bf]"
    "|\u00e2\u20ac[\u0098-\u00a6\u0153\u02dc\u2018\u2019\u201c\u2122]"
)
MAX_WORD_CHARACTERS = 1000


def wrongly_decoded(text: str) -> Fault | None:
    """The first such fault of a text, or None."""
    if match := _WRONG.search(text):
        around = text[max(0, match.start() - 10) : match.end() + 10]
        return Fault("garbled", f"{match.group()!r} in {around!r}")
    longest = max((len(word) for word in text.split()), default=0)
    if longest > MAX_WORD_CHARACTERS:
        return Fault("garbled", f"a word of {longest} characters")
    return None


def garbled(row: Row) -> Fault | None:
    """A rule: drop rows whose question or trace is wrongly decoded."""
    texts = [row.problem.question]
    if row.trace:
        texts += [row.trace.thinking, row.trace.answer]
    return next((fault for text in texts if (fault := wrongly_decoded(text))), None)
