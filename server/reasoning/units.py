"""Units of measure, by every name that answers give them. Nothing is converted: 5 km and 5,000 m differ.

A word that stands in no table is a noun ("42 apples"): it names what was counted, and tells nothing apart.
Directly behind a number ("24xyz") or a sign of multiplication it is none, but a product.
"""

import re
from collections import Counter

Unit = frozenset[tuple[str, int]]
"""Names with their exponents: km/h is {(km, 1), (h, -1)}. Empty: no unit."""

NO_UNIT: Unit = frozenset()
LONGEST_UNIT = 80
_GENERIC = frozenset(
    {"unit", "total", "each", "altogether", "away", "long", "old", "tall", "wide", "apart", "more"}
)
# Each name first as it is kept, then as it is also written. Symbols are told apart by case, words are not.
_SYMBOLS = {
    symbol: names[0]
    for names in (
        *(
            ("m",),
            ("cm",),
            ("mm",),
            ("km",),
            ("nm",),
            ("ft",),
            ("in",),
            ("mi",),
            ("yd",),
            ("s", "sec"),
            ("ms",),
        ),
        *(
            ("min", "mins"),
            ("h", "hr", "hrs"),
            ("g",),
            ("kg",),
            ("mg",),
            ("lb", "lbs"),
            ("oz",),
            ("L", "l"),
            ("mL", "ml"),
        ),
        *(
            ("N",),
            ("kN",),
            ("J",),
            ("kJ",),
            ("W",),
            ("kW",),
            ("V",),
            ("A",),
            ("K",),
            ("C",),
            ("F",),
            ("Hz",),
            ("T",),
        ),
        *(
            ("kHz",),
            ("MHz",),
            ("GHz",),
            ("Pa",),
            ("kPa",),
            ("eV",),
            ("keV",),
            ("MeV",),
            ("GeV",),
            ("mol",),
            ("rad",),
        ),
        *(("atm",), ("ohm", "Ω"), ("gal",), ("cal",), ("kcal",), ("ha",), ("MJ",), ("MW",), ("rpm",)),
        *(
            ("%",),
            ("$", "USD", "US"),
            ("€", "EUR"),
            ("£", "GBP"),
            ("¥", "JPY"),
            ("₹", "INR"),
            ("°", "deg"),
            ("′",),
        ),
        *(("am", "AM", "aM"), ("pm", "PM", "Pm"), ("mph",), ("kmh", "kph")),
    )
    for symbol in names
}
_WORDS = {
    word: names[0]
    for names in (
        *(("m", "meter", "metre"), ("cm", "centimeter", "centimetre"), ("mm", "millimeter", "millimetre")),
        *(("km", "kilometer", "kilometre"), ("ft", "foot", "feet"), ("in", "inch", "inches"), ("mi", "mile")),
        *(("yd", "yard"), ("s", "second"), ("min", "minute"), ("h", "hour"), ("day",), ("week",), ("month",)),
        *(
            ("year", "yr"),
            ("g", "gram"),
            ("kg", "kilogram"),
            ("mg", "milligram"),
            ("lb", "pound"),
            ("oz", "ounce"),
        ),
        *(
            ("L", "liter", "litre"),
            ("mL", "milliliter", "millilitre"),
            ("N", "newton"),
            ("J", "joule"),
            ("W", "watt"),
        ),
        *(
            ("V", "volt"),
            ("A", "ampere", "amp"),
            ("K", "kelvin"),
            ("Hz", "hertz"),
            ("Pa", "pascal"),
            ("rad", "radian"),
        ),
        *(
            ("%", "percent", "percentage"),
            ("$", "dollar", "buck"),
            ("¢", "cent"),
            ("€", "euro"),
            ("₹", "rupee"),
        ),
        *(
            ("°", "degree"),
            ("gal", "gallon"),
            ("mol", "mole"),
            ("ohm",),
            ("C", "celsius"),
            ("F", "fahrenheit"),
        ),
        *(("am", "a.m."), ("pm", "p.m."), ("acre",), ("ton", "tonne"), ("quart",), ("pint",), ("cup",)),
    )
    for word in names
}
_COMPOUND: dict[str, Unit] = {
    "mph": frozenset({("mi", 1), ("h", -1)}),
    "kmh": frozenset({("km", 1), ("h", -1)}),
}
# What is written beside a number in words and is mathematics.
_NO_NOUN = frozenset(
    {
        *("and", "or", "not", "if", "mod", "modulo", "plus", "minus"),
        *("times", "over", "than", "less", "of", "is", "are", "to"),
        *("by", "pi", "infinity", "infinite", "sin", "cos", "tan", "sec"),
        *("csc", "cot", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh"),
        *("log", "ln", "exp", "sqrt", "frac", "max", "gcd", "lcm"),
        *("factorial", "choose", "cubed", "hundred", "thousand", "million", "billion", "trillion"),
        *("dozen", "for", "all", "every", "with", "where", "when"),
    }
)
_TOKEN = re.compile(r"([A-Za-z]+)|(\^?\{?[-−]?\d\}?|²|³|⁻¹)|([%$€£¥₹°¢′Ω])|(/|\\cdot|·|\*|[-.,()\s])")
_PRODUCTS = ("\\cdot", "·", "*")
_HALF_DAY = re.compile(r"\b([apAP])\.\s?[mM]\b\.?")
_POWERS = {"square": 2, "squared": 2, "sq": 2, "cubic": 3, "cubed": 3, "²": 2, "³": 3, "⁻¹": -1}


def unit(text: str, spaced: bool = True, as_text: bool = True) -> Unit | None:
    r"""The unit that a text after a number is; None when it is none.

    `spaced`: a blank stands before it, so that a single letter is a symbol ("5 m"), not a variable ("5m").
    `as_text`: that blank is one of a text, so that an unknown word may be a noun: of TeX's (`6\,xyz`) it is
    not.
    """
    text = _HALF_DAY.sub(r"\1m", text.strip(" .,"))
    if len(text) > LONGEST_UNIT:
        return None
    found: Counter[str] = Counter()
    at, sign, power, last = 0, 1, 1, ""
    for token in _TOKEN.finditer(text):
        if token.start() != at:
            return None
        at = token.end()
        word, exponent, symbol, joint = token.groups()
        if joint:
            sign = -1 if joint == "/" else sign
        elif word and word.lower() == "per":
            sign = -1
        elif (raised := _POWERS.get((word or exponent or "").lower())) and (word or last):
            if last and word not in ("square", "sq", "cubic"):
                found[last] *= raised
            else:
                power = raised
        elif exponent:
            if not last or not _is_power(exponent):
                return None
            found[last] *= int(re.sub(r"[^\d-]", "", exponent.replace("−", "-")))
        else:
            name = _name(word or symbol, spaced)
            is_factor = _is_product(text[: token.start()], spaced and as_text)
            if name is None or (is_factor and name not in _NOT_NOUNS):
                return None
            if name in _GENERIC and word:
                continue
            for part, times in _COMPOUND.get(name, frozenset({(name, 1)})):
                found[part] += sign * power * times
            last, sign, power = name, 1, 1
    return frozenset(found.items()) if at == len(text) else None


def _is_product(before: str, as_text: bool) -> bool:
    """Whether what stands `before` a word multiplies the number by it."""
    return (before in ("", "(") and not as_text) or any(sign in before for sign in _PRODUCTS)


def _is_power(exponent: str) -> bool:
    return not exponent.isdigit()


def _name(word: str, spaced: bool) -> str | None:
    if word in _SYMBOLS and (spaced or len(word) > 1 or not word.isalpha()):
        return _SYMBOLS[word]
    lower = word.lower()
    if len(word) < 2 or lower in _NO_NOUN:
        return None
    for name in (lower, lower.removesuffix("s"), lower.removesuffix("es")):
        if name in _WORDS:
            return _WORDS[name]
    singular = lower.removesuffix("s")
    return singular if singular in _GENERIC or len(word) > 2 else None


def is_known(found: Unit) -> bool:
    """Whether all of it is units of measure, and no noun."""
    return all(name in _KNOWN for name, _ in found)


def compatible(one: Unit, other: Unit) -> bool:
    """False when both are known units, and different ones."""
    return not one or not other or one == other or not is_known(one) or not is_known(other)


_KNOWN = frozenset({*_SYMBOLS.values(), *_WORDS.values()})
_NOT_NOUNS = _KNOWN | _GENERIC
