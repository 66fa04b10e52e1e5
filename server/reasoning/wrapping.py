r"""What stands around an answer and is no part of it: markdown, TeX's delimiters, quotes, punctuation.

All of it is linear in the text's length: no expression here can backtrack over an unbounded run.
"""

import re

_PAIRS = (
    *(("```", "```"), ("**", "**"), ("__", "__"), ("$$", "$$"), (r"\(", r"\)"), (r"\[", r"\]")),
    *(("$", "$"), ("`", "`"), ("*", "*"), ("_", "_"), ('"', '"'), ("“", "”"), ("'", "'")),
)
_CLOSINGS = ((r"\[", r"\]"), (r"\(", r"\)"), ("**", "**"), ("$$", "$$"), ("`", "`"), ('"', '"'))
_SPACES = re.compile(r"\\(?:quad|qquad)(?![A-Za-z])|(?<!\\)\\[,;: !]|~")
_DECLARATION = re.compile(r"^\\(?:displaystyle|textstyle|large|Large|huge|Huge|bf|rm)(?![A-Za-z])")
_ENDING = re.compile(r"(?:\\\\|\\q?quad|\s)+$")
MOST_ENDING = 40
"""Characters at the end that are looked at for TeX's spaces."""
MOST_LAYERS = 12
"""Of wrapping around one answer: more is nonsense, and the loop over them must end."""


def unwrapped(text: str) -> str:
    r"""Without markdown stars, code ticks, quotes, dollar signs, `\(` `\[`, and a closing full stop."""
    value = text
    for _ in range(MOST_LAYERS):
        before = value
        value = _open(_trimmed(value))
        if value == before:
            break
    return value


def _trimmed(value: str) -> str:
    value = value.strip().removesuffix(".").rstrip(",; \t\n")
    # A line break of TeX or a space at the end.
    value = value[:-MOST_ENDING] + _ENDING.sub("", value[-MOST_ENDING:])
    return _DECLARATION.sub("", value).lstrip(": \t\n：")


def _open(value: str) -> str:
    """One pair less, or one closing mark whose opening stands before the label."""
    for opening, closing in _PAIRS:
        inside = value[len(opening) : len(value) - len(closing)]
        if inside and value.startswith(opening) and value.endswith(closing) and opening not in inside:
            return value if inside.endswith("\\") and closing == "$" else inside.strip()
    for opening, closing in _CLOSINGS:
        if (
            value.endswith(closing)
            and value.count(closing) == 1
            and value.find(opening) in (-1, value.rfind(closing))
        ):
            return value.removesuffix(closing)
    if value.endswith("$") and len(value) > 1 and value.count("$") == 1 and not value.endswith(r"\$"):
        return value[:-1]
    if value.endswith("}") and value.count("}") > value.count("{"):
        return value[:-1]
    return value


def without_spacing(text: str) -> str:
    r"""TeX's spaces (`\,` `\;` `\quad` `~`) as blanks; the negative one (`\!`) as nothing."""
    return _SPACES.sub(lambda space: "" if space.group() == r"\!" else " ", text)
