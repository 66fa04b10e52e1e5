"""The rows selected before any draw: correct traces of AIME and GPQA, and long correct ones of MATH.

s1, data/filter.ipynb; the paper counts 384 of them. There the length is in tokens of Qwen2.5's tokenizer.
"""

from collections.abc import Iterable

from curation.select.candidate import Candidate

ALWAYS = frozenset({"aime", "gpqa"})
WHEN_LONG = "math"
LONG = 5600


def preselected(candidates: Iterable[Candidate], longer_than: int = LONG) -> list[Candidate]:
    """The preselected candidates, in order."""
    return [one for one in candidates if one.correct and _belongs(one, longer_than)]


def _belongs(one: Candidate, longer_than: int) -> bool:
    return one.source in ALWAYS or (one.source == WHEN_LONG and one.length > longer_than)
