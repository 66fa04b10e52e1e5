r"""A number with its unit, read exactly: `1,234`, `\frac12`, `0.5`, `\$5`, `20 \text{ million}`, `2516_8`.

What is no such number (an expression, a pair, a word) is no quantity: mathematics decides on it elsewhere.
"""

import re
from dataclasses import dataclass
from fractions import Fraction

from server.reasoning.units import NO_UNIT, Unit, compatible, is_known, unit
from server.reasoning.wrapping import unwrapped, without_spacing

LONGEST = 400
"""Characters; longer ones are no quantity: Python reads no integer of more than 4,300 digits."""
NEAR = Fraction(1, 10**5)
"""Two decimals so near to each other, relatively, may be one number rounded twice: not settled here."""

_TEXT = re.compile(r"\\(?:text|textbf|textrm|mathrm|mathbf|mbox|operatorname)\s?\{([^{}]*)\}")
_ORDINAL = re.compile(r"(?<=\d)\s?\^?\s?\{?\s?(?:st|nd|rd|th)\b\s?\}?")
_DEGREE = re.compile(r"\^\s?\{?\s?\\circ\s?\}?|\\degree")
_GROUPED = r"\d{1,3}(?:,\d{3})+"
_DECIMAL = rf"(?:(?:{_GROUPED}|\d+)(?:\.\d*)?|\.\d+)"
_FRACTION = r"\\frac\s?(?:\{\s?([-+]?\d+)\s?\}|(\d))\s?(?:\{\s?(\d+)\s?\}|(\d))"
_NUMBER = re.compile(rf"([-+]?)\s?(?:({_DECIMAL})?\s?{_FRACTION}|({_DECIMAL})\s?/\s?(\d+)|({_DECIMAL}))")
_POWER_OF_TEN = re.compile(
    r"\s?(?:(?:\\times|\\cdot|×|\*)\s?10\s?\^\s?(?:\{\s?([-+]?\d{1,3})\s?\}|(\d))|[eE]([-+]?\d{1,3})(?![\w.]))"
)
_SCALE = re.compile(r"\s?(hundred|thousand|million|billion|trillion)\b", re.IGNORECASE)
_SCALES = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_BASE = re.compile(r"\s?_\s?(?:\{\s?(\w{1,12})\s?\}|(\d+))$")
_BASES = {
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "nine": "9",
}
_BASES |= {"ten": "10", "eleven": "11", "twelve": "12", "sixteen": "16"}
_SPACED_BY_TEX = re.compile(r"[\d}]\s?(?:\\[,:;! ]|\\q?quad|~)\s?[A-Za-z]")
_CURRENCY = "$€£¥₹"


@dataclass(frozen=True, slots=True)
class Quantity:
    """`is_exact`: no decimal point, so it was not rounded. `base` is None where none is written."""

    number: Fraction
    is_exact: bool
    unit: Unit = NO_UNIT
    base: str | None = None


def plain(text: str) -> str:
    """One line without TeX's dress: words bare, degrees and percent as their signs, single blanks."""
    value = unwrapped(text).replace("−", "-").replace(r"\$", "\0").replace("{,}", ",")
    if value.startswith("$") and value.count("$") == 1:
        value = "\0" + value[1:]
    value = without_spacing(value.replace("$", "")).replace("\0", "$").replace(r"\%", "%")
    value = _TEXT.sub(r" \1 ", value.replace(r"\left", "").replace(r"\right", ""))
    for dressed in (r"\dfrac", r"\tfrac", r"\cfrac"):
        value = value.replace(dressed, r"\frac")
    return " ".join(_DEGREE.sub("°", value).split())


def quantity(text: str) -> Quantity | None:
    """The quantity that all of the text is, or None."""
    if len(text) > LONGEST:
        return None
    value = _ORDINAL.sub("", re.sub(r"(?<=\d),? (?=\d{3}(?!\d))", _thin(text), plain(text))).strip()
    front = value[:1] if value[:1] in _CURRENCY else ""
    value = re.sub(r"^([-+]?)\s?[$€£¥₹]\s?", r"\1", value)
    match = _NUMBER.match(value)
    if match is None:
        return None
    number, is_exact = _number(match)
    if number is None:
        return None
    rest = value[match.end() :]
    if base := _BASE.match(rest):
        name = (base.group(1) or base.group(2)).lower()
        return Quantity(number, is_exact, base=_BASES.get(name, name))
    rest, power = _powers(rest)
    as_text = _SPACED_BY_TEX.search(text) is None
    measure = unit(rest + front, rest[:1] in " %°/", as_text) if rest or front else NO_UNIT
    return None if measure is None else Quantity(number * Fraction(10) ** power, is_exact, measure)


def _thin(text: str) -> str:
    r"""A blank between digit groups is part of the number only where TeX wrote it (`10\,080`)."""
    return "" if re.search(r"\d,?\\[,!;:]\s?\d", text) else " "


def _number(match: re.Match[str]) -> tuple[Fraction | None, bool]:
    sign, whole, *fraction, over, under, alone = match.groups()
    top, bottom = fraction[0] or fraction[1], fraction[2] or fraction[3]
    value: Fraction | None
    if alone is not None:
        value, is_exact = Fraction(alone.replace(",", "").rstrip(".")), "." not in alone.rstrip(".")
    elif over is not None:
        over, is_exact = over.replace(",", "").rstrip("."), "." not in over
        value = Fraction(over) / int(under) if int(under) else None
    else:
        is_exact = "." not in (whole or "")
        value = Fraction(int(top), int(bottom)) if int(bottom) else None
        if value is not None and whole:
            value += Fraction(whole.replace(",", "").rstrip("."))
    if value is None:
        return None, is_exact
    return (-value if sign == "-" else value), is_exact


def _powers(rest: str) -> tuple[str, int]:
    """What follows the number, without powers of ten, and these together."""
    power = 0
    if match := _POWER_OF_TEN.match(rest):
        power += int(next(group for group in match.groups() if group))
        rest = rest[match.end() :]
    while match := _SCALE.match(rest):
        power += _SCALES[match.group(1).lower()]
        rest = rest[match.end() :]
    return rest, power


def same_quantity(one: Quantity, other: Quantity) -> bool | None:
    """None: neither equal nor surely different (a percentage beside a bare number, a rounded decimal)."""
    if one.base and other.base and one.base != other.base:
        return False
    if not compatible(one.unit, other.unit):
        return False
    if one.number == other.number:
        return True
    if _is_percent(one.unit) != _is_percent(other.unit):
        return None
    if one.is_exact and other.is_exact:
        return False
    return None if abs(one.number - other.number) <= NEAR * max(abs(one.number), abs(other.number)) else False


def _is_percent(measure: Unit) -> bool:
    return ("%", 1) in measure


_TRAILING = re.compile(r"^(.*?(?:[\d)}\]]|\\pi))\s+([A-Za-z%°$€/][A-Za-z0-9%°$€/^²³{}. -]*)$", re.DOTALL)
_TRAILING_TEXT = re.compile(
    r"^(.*\S)\s*\\(?:text|textrm|mathrm|mbox)\s?\{([^{}]*)\}\s*((?:\^\s?\{?\d\}?)?)$", re.DOTALL
)
_SYMBOL = re.compile(r"[\d\\]")


def expression_and_unit(text: str) -> tuple[str, Unit]:
    r"""An expression that is no quantity, and the unit after it: `4\sqrt{13} \text{ cm}`.

    A scale word becomes its power of ten.
    """
    value = unwrapped(text)
    if len(value) > LONGEST:
        return value, NO_UNIT
    for pattern in (_TRAILING_TEXT, _TRAILING):
        match = pattern.match(value)
        if match is None or not _SYMBOL.search(match.group(1)):
            continue
        rest, power = _powers(" " + match.group(2).strip())
        measure = unit(rest + "".join(match.groups()[2:])) if rest.strip() else NO_UNIT
        if measure is None or (pattern is _TRAILING and not is_known(measure)):
            continue
        bare = unwrapped(match.group(1)) + (r"\%" if _is_percent(measure) else "")
        return (rf"{bare} \cdot 10^{{{power}}}" if power else bare), measure
    return value, NO_UNIT
