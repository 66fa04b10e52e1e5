"""Find the final answer in a text, and compare answers that are integers, choice letters or strings.

Whether two mathematical expressions are equal is decided in `server.reasoning.grading`.
"""

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

_BOX = re.compile(r"\\(?:boxed|fbox)\s*")
_LABEL = re.compile(r"(?:\bfinal\s+answer\b|\banswer\b)[*_}\s]*(?:is\s*)?[:：][*_]*[ \t]*", re.IGNORECASE)
_SPOKEN = re.compile(r"\b(?:final\s+|correct\s+)?answer\s+is[:\s]*", re.IGNORECASE)
# "The answer is correct." names no answer.
_SYMBOL = re.compile(r"[\d$\\]|^\(?[A-Z]\b")
_TEXT = re.compile(r"\\(?:text|textbf|mathrm|mathbf|textrm|mbox)\s*\{([^{}]*)\}")
_INTEGER = re.compile(r"[-+−]?(?:\d{1,3}(?:(?:,|\{,\}|\\,|\\!,|,\\!)\d{3})+|\d+)")
# A unit or an ordinal suffix after a number, in TeX: 12^{\text{th}} \text{ grade}, 90^\circ, 5\%.
_UNIT = re.compile(
    r"(?:\s*\^\s*\{?\s*\\(?:text|mathrm)\s*\{(?:st|nd|rd|th)\}\s*\}?)?"
    r"(?:[\s~]*\\(?:text|mathrm|mbox)\s*\{(?![^{}]*(?:hundred|thousand|illion))[^{}]*\}(?:\^\{?\d\}?)?"
    r"|\s*\^\s*\{?\\circ\}?|\s*\\?%)?\s*$"
)
_LETTER = re.compile(r"[\s*$({\[]*([A-Za-z])(?![A-Za-z0-9'])")


@dataclass(frozen=True, slots=True)
class FinalAnswer:
    """`value` is the answer alone; `source` is the part of the text it was read from."""

    value: str
    source: str


def last_boxed(text: str) -> FinalAnswer | None:
    r"""The last complete `\boxed{...}`, `\fbox{...}` or `\boxed 5`; braces are matched, so they may nest."""
    for match in reversed(list(_BOX.finditer(text))):
        start = match.end()
        if start < len(text) and text[start] == "{":
            end = _closing_brace(text, start)
            if end is not None:
                return FinalAnswer(text[start + 1 : end].strip(), text[match.start() : end + 1])
        elif match.group().endswith(" "):
            bare = re.match(r"[^\s$]+", text[start:])
            if bare:
                return FinalAnswer(bare.group(), text[match.start() : start + bare.end()])
    return None


def _closing_brace(text: str, start: int) -> int | None:
    depth, at = 0, start
    while at < len(text):
        if text[at] == "\\":
            at += 2
            continue
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return at
        at += 1
    return None


def labelled_answer(text: str) -> FinalAnswer | None:
    """The rest of the line after the last "Final Answer:" or "Answer:", else after "the answer is"."""
    for pattern in (_LABEL, _SPOKEN):
        for match in reversed(list(pattern.finditer(text))):
            rest = text[match.end() :].lstrip()
            line = rest.partition("\n")[0]
            value = _strip_markup(line)
            if value and (pattern is _LABEL or _SYMBOL.search(value)):
                return FinalAnswer(value, (match.group() + line).strip())
    return None


def final_answer(text: str) -> FinalAnswer | None:
    """The last box, or without one the labelled answer, or None (the order of s1's own extraction)."""
    return last_boxed(text) or labelled_answer(text)


def _strip_markup(line: str) -> str:
    """The line without markdown emphasis, dollar signs and a final full stop."""
    value = line.strip().strip("*_").strip()
    value = value.removesuffix(".").strip().strip("*").strip()
    for opening, closing in (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]")):
        inside = value[len(opening) : len(value) - len(closing)]
        if value.startswith(opening) and value.endswith(closing) and opening not in inside and inside:
            return inside.strip()
    return value


def integer(text: str) -> int | None:
    r"""The integer a text stands for, or None.

    It reads "073", "1,234", "$27.0$" and "12 \text{ cm}", but not "1/2".
    """
    value = _UNIT.sub("", _strip_markup(text).replace("−", "-").replace(r"\$", "")).strip()
    if not _INTEGER.fullmatch(value):
        return _whole_decimal(value)
    return int(re.sub(r"[^\d-]", "", value))


def _whole_decimal(value: str) -> int | None:
    try:
        number = Decimal(value) if re.fullmatch(r"[-+]?\d+\.\d*", value) else None
    except InvalidOperation:
        return None
    return int(number) if number is not None and number == number.to_integral_value() else None


def same_integer(gold: str, predicted: str) -> bool:
    """Whether both texts are integers, and equal."""
    expected = integer(gold)
    return expected is not None and expected == integer(predicted)


def letter(text: str) -> str | None:
    r"""The choice letter a text names, in upper case, or None for a word or a number.

    It reads "B", "(b)", "\text{B}" and "**B) foo**".
    """
    plain = _TEXT.sub(r"\1", text)
    match = _LETTER.match(plain)
    if match is None or (plain[match.end() :].strip(" .)]}*$:,") and plain[match.end()] not in ".):,*]"):
        return None
    return match.group(1).upper()


def same_letter(gold: str, predicted: str) -> bool:
    """Whether both texts name a choice letter, and the same one."""
    expected = letter(gold)
    return expected is not None and expected == letter(predicted)


def normal_string(text: str) -> str:
    r"""The text case-folded, with single spaces, without `\text{}` and without a final full stop."""
    return " ".join(_TEXT.sub(r"\1", _strip_markup(text)).casefold().split())


def same_string(gold: str, predicted: str) -> bool:
    """Whether both texts are equal after `normal_string`."""
    return normal_string(gold) == normal_string(predicted)


# Characters that make an answer an expression rather than a word.
_EXPRESSION = re.compile(r"[\d\\^=+*/<>∞√π]|^[a-zA-Z]$")
LONGEST_EXPRESSION = 500


def settle_same(one: str, other: str) -> bool | None:
    """Whether two answers are equal, as far as integers, letters and strings decide it.

    None means that only a mathematical comparison can (see `server.reasoning.grading`).
    """
    if same_string(one, other):
        return True
    for read in (integer, letter):
        first, second = read(one), read(other)
        if first is not None and second is not None:
            return first == second
    if max(len(one), len(other)) > LONGEST_EXPRESSION:
        return False
    return None if _EXPRESSION.search(one) and _EXPRESSION.search(other) else False
