"""The answer in a sentence: "The minimum is $42$, reached at $x = 3$." says 42.

Formulas are never cut: every rule here looks at the sentence with its formulas masked.
"""

import re

from server.reasoning.wrapping import unwrapped

LONGEST_SENTENCE = 2000
"""Characters; a longer line is taken as it stands."""

_FORMULA = re.compile(
    r"\$\$[^$]{1,1000}\$\$|(?<!\\)\$(?:\\.|[^$\\]){1,1000}\$|\\\([^\n]{1,1000}?\\\)"
    r"|\\\[[^\n]{1,1000}?\\\]|`[^`]{1,1000}`"
)
_MASK = "\0"
MOST_LABELS = 4
_LABEL = re.compile(
    r"^[^\w\n]{0,4}(?:the[ ])?(?:final[ ]{1,4})?"
    r"(?:answers?|ans)\b[*_}\"'\s]{0,8}(?:[:：=]|(?:is|are)\b[:：]?)",
    re.IGNORECASE,
)
_NEXT_SENTENCE = re.compile(r"(?<![A-Z]\b)[.!?]\s+(?=[A-Z\0*])")
_ABBREVIATION = re.compile(r"\b(?:Dr|Mr|Mrs|Ms|St|No|vs|approx|ca|Jr)$")
# What comes after the answer: a reason, a place, an aside.
_ASIDE = re.compile(
    r",?\s(?:because|since)\b|,\s(?:which|where|when|as|so|with|and\s(?:it|this|that|so)|attained|reached|achieved|"
    r"occurring|obtained)\b|\s(?:reached|attained|achieved|occurring|when|which|where)\b"
)
_COPULA = re.compile(
    r"\b(?:is|are|was|were|be|equals?|gives?|yields?|get|obtain|becomes|have|has)\b"
    r"(?:\s(?:equal\sto|given\sby|therefore|thus|hence|simply|just|exactly|definitely|indeed|clearly|then|now|approximately|about|"
    r"roughly|around|actually|always|precisely))*\s?[:：]?\s*",
    re.IGNORECASE,
)
_HEDGE = re.compile(
    r"^(?:therefore|thus|hence|so|simply|just|exactly|definitely|indeed|clearly|then|approximately|roughly|actually|precisely|"
    r"(?:about|around|exactly|only)(?=\s[\d$\\]))\b[,:]?\s+",
    re.IGNORECASE,
)
# A sentence that begins so is about the answer; one that begins otherwise may begin with it ("Evelyn is the
# fastest").
_SUBJECT = re.compile(
    r"^[^\w\0]{0,4}(?:\0|(?:the|so|thus|hence|therefore|our|my|this|that|it|its|final|answer|there|and|then|in|we|a|an|"
    r"all|she|he|they|total|solution|value|x)\b)",
    re.IGNORECASE,
)
_SYMBOL = re.compile(r"[-+−(]?[\d\\$\0.√π∞]")
_NAMED = re.compile(r"^[A-Za-z][a-z]+(?:\s[A-Za-z][a-z]+){0,6}\s?[=:：]\s?(?=\S)")
_HTML = re.compile(r"</?(?:b|i|u|p|em|strong|center|br|span|div|h[1-6])\s?/?>", re.IGNORECASE)
_NUMBER = re.compile(r"[-+−]?\0+|[-+−$]?\d[\d.,/]*(?<![.,])")
_WORDS = re.compile(r"[A-Za-z]{2,}")
_SUBSTANCE = re.compile(r"[\w\\∞∅]")


def said_in(text: str) -> str:
    """The answer that a line or block says; "" when there is none in it."""
    value = unlabelled(_HTML.sub("", text))
    if not _SUBSTANCE.search(value):
        return ""
    if len(value) > LONGEST_SENTENCE or not _WORDS.search(_masked(value)):
        return value
    value = _first_sentence(value)
    masked = _masked(value)
    if (aside := _ASIDE.search(masked)) and aside.start():
        value = value[: aside.start()]
        masked = masked[: aside.start()]
    return unwrapped(_HEDGE.sub("", _told(value, masked)))


def unlabelled(text: str) -> str:
    """Without the labels that stand before the answer ("Answer: 42" in a box)."""
    value = unwrapped(text)
    for _ in range(MOST_LABELS):
        label = _LABEL.match(value)
        if label is None:
            break
        value = unwrapped(value[label.end() :])
    return value


def _masked(value: str) -> str:
    return _FORMULA.sub(lambda formula: _MASK * len(formula.group()), value)


def _first_sentence(value: str) -> str:
    masked = _masked(value)
    for stop in _NEXT_SENTENCE.finditer(masked):
        if not _ABBREVIATION.search(masked[max(0, stop.start() - 8) : stop.start()]):
            return value[: stop.start()]
    return value


def _told(value: str, masked: str) -> str:
    """What the sentence tells of its subject; the whole where it tells nothing of any."""
    for copula in reversed(list(_COPULA.finditer(masked))):
        rest = value[copula.end() :].strip()
        if rest and copula.start() and (_SUBJECT.match(masked) or _SYMBOL.match(rest)):
            return rest
    if named := _NAMED.match(masked):
        return value[named.end() :]
    numbers = list(_NUMBER.finditer(masked))
    if (
        len(numbers) == 1
        and _SUBJECT.match(masked)
        and len(_WORDS.findall(masked[: numbers[0].start()])) >= 2
    ):
        return value[numbers[0].start() :]
    return value
