"""Find the final answer in a text, and compare answers that are numbers, letters or strings.

Not decided here: whether two mathematical expressions are equal (see equality.py and the folder grading).
"""

import re
from dataclasses import dataclass
from decimal import Decimal

from server.reasoning.choices import letter, only_letter, same_letter
from server.reasoning.labels import bare, labelled
from server.reasoning.quantity import Quantity, expression_and_unit, quantity, same_quantity
from server.reasoning.sentence import unlabelled
from server.reasoning.units import Unit, compatible
from server.reasoning.wrapping import unwrapped, without_spacing

__all__ = [
    "FinalAnswer",
    "final_answer",
    "integer",
    "labelled_answer",
    "last_boxed",
    "letter",
    "normal_string",
    "same_integer",
    "same_letter",
    "same_string",
    "settle_same",
]

_BOX_OR_BRACE = re.compile(
    r"(\\(?:boxed|fbox)[ \t]{0,8}\n?[ \t]{0,8}\{)"
    r"|\\(?:boxed|fbox)(?:[ ]{1,8}|(?=\d))([^\s${}]{1,80})|\\.|([{}])",
    re.DOTALL,
)
_TEXT = re.compile(r"\\(?:text|textbf|mathrm|mathbf|textrm|mbox)\s?\{([^{}]*)\}")
_INTEGER = re.compile(r"[-+−]?(?:\d{1,3}(?:(?:,|\{,\}|\\,|\\!,|,\\!)\d{3})+|\d+)")
# A unit or an ordinal's ending after a number, in TeX: 12^{\text{th}} \text{ grade}, 90^\circ, 5\%.
_UNIT = re.compile(
    r"(?:\s?\^\s?\{?\s?\\(?:text|mathrm)\s?\{(?:st|nd|rd|th)\}\s?\}?)?"
    r"(?:[\s~]?\\(?:text|mathrm|mbox)\s?\{(?![^{}]*(?:hundred|thousand|illion))[^{}]*\}(?:\^\{?\d\}?)?"
    r"|\s?\^\s?\{?\\circ\}?|\s?\\?%)?\s?$"
)
_LABELLED = re.compile(r"[^\w\n]{0,4}(?:\\text\s?\{)?[^\w\n]{0,4}(?:final\s)?answer", re.IGNORECASE)
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\{\w{1,20}\*?\}")
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")
_FUNCTION = frozenset(
    {
        *("sin", "cos", "tan", "sec", "csc", "cot", "arcsin", "arccos"),
        *("arctan", "ln", "log", "exp", "sqrt", "pi", "mod", "and"),
        *("or", "max", "min", "gcd", "lcm"),
    }
)
_BARE_INTEGER = re.compile(r"-?\d{1,18}")
LONGEST_WORD = 40
LONGEST_NUMBER = 4000
"""Digits; Python converts no more than 4,300 of them."""


@dataclass(frozen=True, slots=True)
class FinalAnswer:
    """`value` is the answer alone; `source` is the part of the text it was read from."""

    value: str
    source: str


def last_boxed(text: str) -> FinalAnswer | None:
    r"""The last complete `\boxed{...}`, `\fbox{...}` or `\boxed 5` that holds anything; braces may nest."""
    found: tuple[int, int, int] | None = (
        None  # where the box begins, where its content does, and where it ends
    )
    open_braces: list[
        tuple[int, int] | None
    ] = []  # a box's beginning and its content's; None for another brace
    for match in _BOX_OR_BRACE.finditer(text):
        if match.group(1):
            open_braces.append((match.start(), match.end()))
        elif match.group(2):
            found = max(found or (-1, 0, 0), (match.start(), match.start(2), match.end()))
        elif match.group(3) == "{":
            open_braces.append(None)
        elif match.group(3) and open_braces:
            box = open_braces.pop()
            if box and text[box[1] : match.start()].strip():
                found = max(found or (-1, 0, 0), (*box, match.start()))
    if found is None:
        return None
    start, inside, end = found
    closing = text[end : end + 1] if text[inside - 1] == "{" else ""
    return FinalAnswer(text[inside:end].strip(), text[start:end] + closing)


def labelled_answer(text: str) -> FinalAnswer | None:
    """What follows the last "Final Answer:", "Answer:" or another label, else "the answer is"."""
    found = labelled(text)
    return FinalAnswer(found.value, text[found.start : found.end].strip()) if found else None


def final_answer(text: str) -> FinalAnswer | None:
    """The last box, else the labelled answer (the order of s1's own extraction).

    Without either the whole text, if it is nothing but an answer; else None.
    """
    box = last_boxed(text)
    if box:
        return FinalAnswer(unlabelled(box.value), box.source) if _LABELLED.match(box.value) else box
    if found := labelled_answer(text):
        return found
    value = bare(text)
    return FinalAnswer(value, text.strip()) if value and _is_an_answer(value) else None


def _is_an_answer(value: str) -> bool:
    """A number, a choice, a formula or one word; not a sentence."""
    if quantity(value) or only_letter(value) or (len(value.split()) == 1 and not value.isalpha()):
        return True
    if value.isalpha():
        return len(value) <= LONGEST_WORD
    words = [
        word
        for word in _WORD.findall(_ENVIRONMENT.sub("", _TEXT.sub("", expression_and_unit(value)[0])))
        if word.lower() not in _FUNCTION
    ]
    return len(words) <= (1 if len(value.split()) <= 3 and re.search(r"\d", value) else 0)


def integer(text: str) -> int | None:
    r"""The integer that the text is: "073", "1,234", "$27.0$", "12 \text{ cm}"; None for "1/2"."""
    if len(text) > LONGEST_NUMBER:
        return None
    value = _UNIT.sub("", " ".join(unwrapped(text).replace("−", "-").replace(r"\$", "").split())).strip()
    if _INTEGER.fullmatch(value):
        return int(re.sub(r"[^\d-]", "", value))
    if not re.fullmatch(r"[-+]?\d+\.\d*", value):
        return None
    number = Decimal(value)
    return int(number) if number == number.to_integral_value() else None


def same_integer(gold: str, said: str) -> bool:
    """Both are integers, and equal; in words of a unit, too ("42 dollars"), unless the units differ."""
    one, other = quantity(gold), quantity(said)
    if one and other:
        return one.number.denominator == 1 and same_quantity(one, other) is True
    wanted = integer(gold)
    return wanted is not None and wanted == integer(said)


def normal_string(text: str) -> str:
    r"""Case-folded words with single blanks between them and none beside a sign.

    Without `\text{}`, `\left`, dollar signs and a closing full stop.
    """
    value = _TEXT.sub(r"\1", unwrapped(text).replace(r"\left", "").replace(r"\right", ""))
    value = without_spacing(value.replace(r"\dfrac", r"\frac").replace(r"\tfrac", r"\frac"))
    value = re.sub(r"(?<!\\)\$", "", value).replace("−", "-")
    value = " ".join(_WORD.sub(lambda word: word.group().casefold(), value).split())
    return re.sub(r"(?<=\W) | (?=\W)", "", value)


def same_bare_integer(one: str, other: str) -> bool | None:
    """Whether two plain integers are equal, as most answers of most tasks are: a fast way; else None."""
    if _BARE_INTEGER.fullmatch(one) and _BARE_INTEGER.fullmatch(other):
        return int(one) == int(other)
    return None


def same_string(gold: str, said: str) -> bool:
    """The same text but for case, blanks and what surrounds it."""
    return gold == said or normal_string(gold) == normal_string(said)


# What an expression has that a word has not.
_EXPRESSION = re.compile(r"[\d\\^=+*/<>∞√π]|^[^A-Za-z]{0,20}(?:[A-Za-z][^A-Za-z]{1,20}){0,100}[A-Za-z]?$")


def _unit(text: str, read: Quantity | None) -> Unit:
    return read.unit if read else expression_and_unit(text)[1]


def settle_same(one: str, other: str) -> bool | None:
    """Whether two answers are the same, as far as numbers, units, letters and strings can tell.

    None: only a mathematical comparison can.
    """
    if (same := same_bare_integer(one, other)) is not None:
        return same
    if same_string(one, other):
        return True
    first, second = quantity(one), quantity(other)
    if first and second:
        return same_quantity(first, second)
    if not compatible(_unit(one, first), _unit(other, second)):
        return False
    choice, chosen = only_letter(one), only_letter(other)
    if choice and chosen:
        return choice == chosen
    return None if _EXPRESSION.search(one) and _EXPRESSION.search(other) else False
