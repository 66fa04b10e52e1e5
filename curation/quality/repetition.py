"""Detects texts that run in a loop. Three measures; the first one over its limit is the reason.

1. The end repeats: it consists of one unit, at least 4 times in a row and over at least 200 characters.

2. A block of lines anywhere repeats in this way over at least 1,000 characters.

3. At least 0.6 of the ten-word n-grams occurred before (texts of 100 words or more).
"""

import re
from collections import Counter
from dataclasses import dataclass

MIN_REPEATS = 4
END_LENGTH = 200
STRETCH_LENGTH = 1000
RUN_WORDS = 10
MIN_WORDS = 100
MAX_REPEATED_SHARE = 0.6
# A longer unit is found by its ten-word n-grams.
MAX_UNIT_CHARACTERS = 2000

_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Loop:
    """`unit` is the repeated text (empty for measure 3), `times` its count, `share` its share of the text."""

    kind: str
    unit: str
    times: int
    share: float

    def __str__(self) -> str:
        if not self.unit:
            return f"{self.share:.2f} of its {RUN_WORDS}-word runs were there before"
        return f"{self.times} times {self.unit[:80]!r}"


def find_loop(text: str) -> Loop | None:
    """The loop of a text, or None."""
    stripped = text.rstrip()
    return _looping_end(stripped) or _looping_stretch(stripped) or _repeated_runs(stripped)


def _looping_end(text: str) -> Loop | None:
    """The smallest period of the end, by the prefix function of the reversed text (Knuth, Morris, Pratt)."""
    end = text[-(MAX_UNIT_CHARACTERS * (MIN_REPEATS + 1)) :][::-1]
    period, length = _best_period(end)
    if not period or length < END_LENGTH:
        return None
    return Loop("looping_end", text[-period:], length // period, length / len(text))


def _best_period(text: str) -> tuple[int, int]:
    """(period, length) of the longest prefix that repeats a unit at least MIN_REPEATS times.

    (0, 0) if there is none.
    """
    borders = [0] * len(text)
    best = (0, 0)
    for at in range(1, len(text)):
        size = borders[at - 1]
        while size and text[at] != text[size]:
            size = borders[size - 1]
        borders[at] = size + 1 if text[at] == text[size] else 0
        period = at + 1 - borders[at]
        if (at + 1) // period >= MIN_REPEATS:
            best = (period, at + 1)
    return best


def _looping_stretch(text: str) -> Loop | None:
    """A block of up to 12 lines that repeats, anywhere in the text."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    for block in range(1, 13):
        same, length = 0, 0
        for at in range(block, len(lines)):
            same, length = (same + 1, length + len(lines[at])) if lines[at] == lines[at - block] else (0, 0)
            if same >= block * (MIN_REPEATS - 1) and length >= STRETCH_LENGTH:
                unit = "\n".join(lines[at - block + 1 : at + 1])
                return Loop("looping_stretch", unit, same // block + 1, length / len(text))
    return None


def _repeated_runs(text: str) -> Loop | None:
    words = _WORD.findall(text)
    if len(words) < MIN_WORDS:
        return None
    runs = Counter(" ".join(words[at : at + RUN_WORDS]) for at in range(len(words) - RUN_WORDS + 1))
    share = 1 - len(runs) / runs.total()
    return Loop("repeats_itself", "", 0, share) if share >= MAX_REPEATED_SHARE else None
