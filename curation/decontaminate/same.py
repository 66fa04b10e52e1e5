"""Equality of questions up to formatting: case, white space, dollar signs, TeX spacing, final punctuation.

A letter that stands alone keeps its case, as A and a are two variables, and a factorial its mark.
"""

import re

_FORMATTING = re.compile(r"\$|\\[,;!: ]|\\(?:left|right|displaystyle|quad)(?![a-zA-Z])|[.?!:,;]+(?=\s|$)")
# White space matters only between two words or numbers.
_BLANKS = re.compile(r"(?<!\w)\s+|\s+(?!\w)")
_MATHEMATICS = re.compile(r"\$[^$]+\$|\\\(.+?\\\)|\\\[.+?\\\]", re.DOTALL)
_FACTORIAL = re.compile(r"(?<=[\d)\]}])!+")
_FACTORIAL_IN_MATHEMATICS = re.compile(r"(?<=[\w)\]}])!+")
# What stands before is looked at last: few characters come so far.
_LONE_LETTER = re.compile(r"[A-Z](?![^\W\d_])(?<![^\W\d_].)")
# An article or a pronoun.
_FIRST_WORD = re.compile(r"[AI](?=\s)(?:(?<=\A.)|(?<=\n.)|(?<=[.?!:]\s.))")
# Private characters, in the places of what is kept.
_KEPT = {ord(mark): 0xE000 + ord(mark) for mark in "!ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
_AGAIN = {kept: mark for mark, kept in _KEPT.items()}


def bare(question: str) -> str:
    """The question without formatting. Operators and digits are kept: x+1 and x-1 are two questions."""
    text = _FORMATTING.sub("", _folded(_with_factorials(question) if "!" in question else question))
    return _BLANKS.sub("", " ".join(text.split())).translate(_AGAIN)


def folded(question: str) -> str:
    """The question in lower case, but for letters that stand alone."""
    return _folded(question).translate(_AGAIN)


def _folded(text: str) -> str:
    text = _FIRST_WORD.sub(lambda found: found.group().lower(), text)
    return _LONE_LETTER.sub(_kept, text).lower()


def _with_factorials(question: str) -> str:
    inside = _MATHEMATICS.sub(lambda found: _FACTORIAL_IN_MATHEMATICS.sub(_kept, found.group()), question)
    return _FACTORIAL.sub(_kept, inside)


def _kept(found: re.Match[str]) -> str:
    return found.group().translate(_KEPT)
