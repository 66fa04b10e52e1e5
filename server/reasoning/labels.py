r"""The answer after a label: "Final Answer:", "**Answer**" on a line, `<answer>`, "#### 42", "the answer is".

Decided here: what a label is, and how far the answer after it goes (the line, or a block of TeX or code).
Every search is linear in the text's length: runs are bounded, and a block closes within LONGEST_BLOCK.
"""

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from server.reasoning.sentence import said_in, unlabelled
from server.reasoning.wrapping import unwrapped

LONGEST_BLOCK = 4000
"""Characters after a label within which a formula or a fence must close."""
MOST_LABELS = 100
"""So many labels that nothing follows are passed over; a text that ends in more of them answers nothing."""

_NAME = r"(?:final[ \t]{1,4}(?:answer|result)s?|answers?|ans)"
_CLOSERS = r"[*_})\]\"'\s]{0,12}"
# "Answer:", "**Final Answer:**", "\textbf{Answer:}", '"answer": ', "Final answer is:", "Answer = ".
_COLON = rf"\b{_NAME}\b{_CLOSERS}(?:(?:is|are)\b[ \t]{{0,4}})?(?:[:：]|=(?!=))"
_DASH = r"\bfinal[ \t]{1,4}answer[*_ \t]{1,6}[-–—][ \t]"
# A label alone on its line, as a heading, in bold, numbered, in TeX: "### Final Answer", "**5. Answer**".
_LINE = (
    r"^[ \t]{0,8}(?:<\w{1,6}>){0,2}[^\w\n\\$]{0,12}"
    r"(?:\\(?:(?:sub){0,2}section\*?|textbf|text|underline|paragraph)\s?\{)?"
    r"(?:(?:step[ \t])?\d{1,3}[ \t]?[.):][ \t]{0,4})?[*_]{0,3}(?:the[ \t]|my[ \t]|our[ \t])?"
    rf"{_NAME}[*_:：)}}\]# \t]{{0,12}}(?:</\w{{1,6}}>){{0,2}}[ \t]{{0,4}}$"
)
_TAG = r"<answer>"
_HASHES = r"^[ \t]{0,8}####(?!#)"
_LABEL = re.compile("|".join((_TAG, _HASHES, _LINE, _COLON, _DASH)), re.IGNORECASE | re.MULTILINE)
_SPOKEN = re.compile(
    r"\banswers?\b(?:[ \t](?!is\b|are\b)[^.\n:$\\]{0,60}?)?[*_ \t]{1,6}"
    r"(?:is|are|equals|(?:should|must|would|will)[ \t]be)\b(?:[ \t]{0,4}[:：])?",
    re.IGNORECASE,
)
# "The answer is correct." names no answer.
_NAMES = re.compile(
    r"[\d$\\]|^\(?[A-Z]\b|^\([a-z]\)$|^(?:[A-Z][a-z]+\s?)+$|^(?:true|false|yes|no)$|^(?!.*[A-Za-z]{2})",
    re.DOTALL,
)
_NUMBER_LIKE = re.compile(r"[-+−$\\(]{0,3}\s?\d")
_SKIPPED = re.compile(r"[*_:：>}\])\"' \t]{0,40}")
_LISTED = re.compile(r"[ \t]{0,40}(?:(?:>|#{1,6}|[-+•]|\*(?!\*)|\d{1,3}[.)])[ \t]{1,8}){0,4}")
_FENCE = re.compile(r"(`{3,8}|~{3,8})[^\n`]{0,40}\n")
_ENVIRONMENT = re.compile(r"\\begin\{(\w{1,20}\*?)\}")
_BLOCKS = {"$$": "$$", r"\[": r"\]", r"\(": r"\)"}
_TAIL = re.compile(r"[^\n]*")


@dataclass(frozen=True, slots=True)
class Labelled:
    """The answer's value, and where its label begins and the stretch read for it ends."""

    value: str
    start: int
    end: int


def labelled(text: str) -> Labelled | None:
    """After the last label that something follows; without one, after the last "the answer is"."""
    for match in _last(_LABEL, text):
        mark = match.group().strip()
        read = _after(text, match.end(), closing="</answer>" if mark.lower() == _TAG else "")
        if read and (mark != "####" or _is_number(read.value, text[match.end() : read.end])):
            return Labelled(read.value, match.start(), read.end)
    for match in _last(_SPOKEN, text):
        read = _after(text, match.end())
        if read and _NAMES.search(read.value):
            return Labelled(read.value, match.start(), read.end)
    return None


def _is_number(value: str, line: str) -> bool:
    """Whether a line after "####" is GSM8K's result, and not a heading ("#### 3. Compute the sum")."""
    return bool(_NUMBER_LIKE.match(value)) and value == unwrapped(line)


def _last(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """The last matches, the last one first."""
    return reversed(deque(pattern.finditer(text), maxlen=MOST_LABELS))


def bare(text: str) -> str | None:
    """The answer, where the text is one line or block and no more; not yet whether it is a sentence."""
    whole = text.strip()
    if not whole or len(whole) > LONGEST_BLOCK:
        return None
    start = _LISTED.match(whole)
    stretch = _stretch(whole, start.end() if start and whole[0] in "#>" else 0)
    value = unwrapped(stretch.value)
    return value if stretch.end == len(whole) and unlabelled(value) == value else None


def _after(text: str, at: int, closing: str = "") -> Labelled | None:
    """What is said from there on: on the rest of the line, else on the first line that holds anything."""
    if closing:
        end = text.find(closing, at, at + LONGEST_BLOCK)
        if end >= 0:
            value = said_in(text[at:end])
            return Labelled(value, at, end + len(closing)) if value else None
    for begin in _lines(text, at):
        stretch = _stretch(text, begin)
        value = said_in(stretch.value)
        if value:
            return Labelled(value, at, stretch.end)
        if stretch.value.strip("*_#>:-= \t"):
            return None  # the line holds another label and nothing else
    return None


def _lines(text: str, at: int) -> Iterator[int]:
    """Where the answer may begin: after the label, and on each line that follows, past its list marker."""
    yield _end(_SKIPPED, text, at)
    while (at := text.find("\n", at) + 1) > 0:
        begin = _end(_LISTED, text, at)
        if text[begin : begin + 1] not in ("", "\n"):
            yield begin


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at


def _stretch(text: str, at: int) -> Labelled:
    """The rest of the line, and where a formula or a fence opens on it, all of that."""
    if fence := _FENCE.match(text, at):
        end = text.find("\n" + fence.group(1), fence.end() - 1, at + LONGEST_BLOCK)
        if end >= 0:
            return Labelled(text[fence.end() : end], at, _end(_TAIL, text, end + 1))
    begin = _end(re.compile(r"[*_`]{0,4}"), text, at)
    close = _BLOCKS.get(text[begin : begin + 2])
    end = -1
    if close:
        end = text.find(close, begin + 2, begin + LONGEST_BLOCK)
    elif environment := _ENVIRONMENT.match(text, begin):
        close = rf"\end{{{environment.group(1)}}}"
        end = text.find(close, begin, begin + LONGEST_BLOCK)
    if close and end >= 0:
        at, tail = begin, _end(_TAIL, text, end + len(close))
        return Labelled(text[at:tail].replace("\n", " "), at, tail)
    tail = _end(_TAIL, text, at)
    return Labelled(text[at:tail], at, tail)
