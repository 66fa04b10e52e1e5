"""Equality of questions up to formatting: case, white space, dollar signs, TeX spacing, final punctuation."""

import re

_FORMATTING = re.compile(r"\$|\\[,;!: ]|\\(?:left|right|displaystyle|quad)(?![a-zA-Z])|[.?!:,;]+(?=\s|$)")
# White space matters only between two words or numbers.
_BLANKS = re.compile(r"(?<!\w)\s+|\s+(?!\w)")


def bare(question: str) -> str:
    """The question without formatting. Operators and digits are kept: x+1 and x-1 are two questions."""
    return _BLANKS.sub("", " ".join(_FORMATTING.sub("", question.lower()).split()))
