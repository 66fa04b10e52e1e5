"""What a cell of a .csv file holds: nothing, a text, or a list or object that is written as text there.

A list is read as JSON, Python and NumPy write it; of other items than texts and truth values it stays a text,
as an answer such as "[1, 2]" is.
"""

import json
import tokenize
import warnings
from ast import literal_eval
from collections.abc import Iterator
from io import StringIO

_BETWEEN = frozenset({tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER})
_TRUTH = frozenset({"True", "False"})


def cell(text: object) -> object:
    """The value of a cell; an empty one is None, as in other formats."""
    if not isinstance(text, str):
        return text
    stripped = text.strip()
    if not stripped:
        return None
    if (stripped[0], stripped[-1]) not in (("[", "]"), ("{", "}")):
        return text
    value = _value(stripped)
    if isinstance(value, list):
        is_plain = all(isinstance(one, str | bool) for one in value)
        return value if is_plain else text
    return value if isinstance(value, dict) and all(isinstance(name, str) for name in value) else text


def _value(text: str) -> object:
    """None where the text writes no value."""
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        with warnings.catch_warnings(action="error"):  # "\\p" in a text: nobody's writing of a list
            return literal_eval(" ".join(_with_commas(text)))
    except (ValueError, SyntaxError, MemoryError, RecursionError, tokenize.TokenError):
        return None


def _with_commas(text: str) -> Iterator[str]:
    """The tokens; NumPy writes no comma between items, and Python would join two texts."""
    was_item = False
    for token in tokenize.generate_tokens(StringIO(text).readline):
        if token.type in _BETWEEN:
            continue
        is_item = token.type == tokenize.STRING or token.string in _TRUTH
        if is_item and was_item:
            yield ","
        yield token.string
        was_item = is_item
