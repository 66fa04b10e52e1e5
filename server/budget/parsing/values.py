"""How one value of a budget is read from JSON: its type, its range, and an error that names the field.

Which spellings carry which quantity is decided in spellings.py.
"""

import json
from collections.abc import Callable, Mapping
from typing import TypeAlias, TypeVar

from server.budget.budget import NOWAIT_WORDS, TENTH, UNLIMITED, BudgetError

T = TypeVar("T")
Reader: TypeAlias = Callable[[str, object], T]
"""Reads (the field as the client wrote it, its JSON value); raises BudgetError."""

MAX_TOKENS = 2**31 - 1
"""The engine counts tokens in int32."""
MAX_WAITS = 1000
MAX_NUDGES = 64
MAX_NUDGE_CHARS = 1000
MAX_SUPPRESSED = 64
MAX_STEPS = 512
MAX_END_MESSAGE_CHARS = 4000

_SHOWN_CHARS = 60


def quoted(text: str) -> str:
    """The text as JSON writes it: plain ASCII, so that any error with it can be sent, and cut short."""
    return json.dumps(text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "...")


def shown(value: object) -> str:
    """A JSON value for an error message, short whatever the value is."""
    if isinstance(value, str):
        return quoted(value)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int):
        return str(value) if abs(value) < 10**20 else "a very large integer"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(shown(item) for item in value[:4]) + (", ...]" if len(value) > 4 else "]")
    return "an object"


def integer(lowest: int, highest: int, hint: str = "") -> Reader[int]:
    """A reader of whole numbers from `lowest` to `highest`; true and "3" are none.

    3.0 is one: JavaScript has no other numbers, and some clients write them so.
    """

    def read(field: str, raw: object) -> int:
        if isinstance(raw, float) and raw.is_integer():
            raw = int(raw)
        if isinstance(raw, bool) or not isinstance(raw, int):
            raise BudgetError(field, f"{field} must be an integer{hint}, not {shown(raw)}.")
        if not lowest <= raw <= highest:
            raise BudgetError(field, f"{field} must be from {lowest} to {highest}{hint}, not {shown(raw)}.")
        return raw

    return read


tokens: Reader[int] = integer(0, MAX_TOKENS)
waits: Reader[int] = integer(0, MAX_WAITS)
steps: Reader[int] = integer(1, MAX_STEPS)
_tokens_or_unlimited = integer(UNLIMITED, MAX_TOKENS, " (0: no thinking, -1: unlimited)")


def tokens_or_unlimited(field: str, raw: object) -> int:
    """A maximum: a whole number, -1 for unlimited.

    Raises:
        BudgetError: It is anything else, or out of range.
    """
    if raw == "auto":
        raise BudgetError(field, f'{field} must be an integer: only thinking_budget itself can be "auto".')
    return _tokens_or_unlimited(field, raw)


def text(highest_chars: int, lowest_chars: int = 0) -> Reader[str]:
    """A reader of strings that a tokenizer can take: no lone surrogates, and not endless."""

    def read(field: str, raw: object) -> str:
        if not isinstance(raw, str):
            raise BudgetError(field, f"{field} must be a string, not {shown(raw)}.")
        if not lowest_chars <= len(raw) <= highest_chars:
            raise BudgetError(
                field, f"{field} must have {lowest_chars} to {highest_chars} characters, not {len(raw)}."
            )
        if any("\ud800" <= char <= "\udfff" for char in raw):
            raise BudgetError(field, f"{field} must be valid Unicode: {quoted(raw)} has a lone surrogate.")
        return raw

    return read


end_message: Reader[str] = text(MAX_END_MESSAGE_CHARS)
_one_nudge = text(MAX_NUDGE_CHARS, lowest_chars=1)


def nudges(field: str, raw: object) -> tuple[str, ...]:
    """One nudge, or a list of nudges that is cycled; it raises BudgetError as every reader does."""
    if isinstance(raw, str):
        return (_one_nudge(field, raw),)
    return _strings(field, raw, "a string or a list of strings", MAX_NUDGES)


def suppressed(field: str, raw: object) -> tuple[str, ...]:
    """A list of words, or "nowait" for that paper's list; empty for none."""
    if raw == "nowait":
        return NOWAIT_WORDS
    if raw == []:
        return ()
    return _strings(field, raw, '"nowait" or a list of words', MAX_SUPPRESSED)


def _strings(field: str, raw: object, what: str, most: int) -> tuple[str, ...]:
    if not isinstance(raw, list):
        raise BudgetError(field, f"{field} must be {what}, not {shown(raw)}.")
    if not 1 <= len(raw) <= most:
        raise BudgetError(field, f"{field} must have 1 to {most} strings, not {len(raw)}.")
    return tuple(_one_nudge(f"{field}[{index}]", each) for index, each in enumerate(raw))


_grace = integer(0, MAX_TOKENS, ' ("auto": a tenth of the maximum)')


def grace(field: str, raw: object) -> int:
    """The tokens below the maximum in which a soft landing may close thinking; 0 for none."""
    return TENTH if raw == "auto" else _grace(field, raw)


LOOP_WORDS = {"close": True, "ignore": False}


def on_loop(field: str, raw: object) -> bool:
    """Whether loops are ended.

    Raises:
        BudgetError: It is none of LOOP_WORDS.
    """
    return _one_of(LOOP_WORDS, field, raw)


def _one_of(words: Mapping[str, bool], field: str, raw: object) -> bool:
    if not isinstance(raw, str) or raw not in words:
        raise BudgetError(field, f"{field} must be one of {', '.join(words)}, not {shown(raw)}.")
    return words[raw]


MAX_WORDS = {"answer": False, "truncate": True}


def on_max(field: str, raw: object) -> bool:
    """Whether the request ends at the maximum.

    Raises:
        BudgetError: It is none of MAX_WORDS.
    """
    return _one_of(MAX_WORDS, field, raw)


def switch(field: str, raw: object) -> bool:
    """A JSON boolean; 1 and "true" are none.

    Raises:
        BudgetError: It is anything else.
    """
    if not isinstance(raw, bool):
        raise BudgetError(field, f"{field} must be true or false, not {shown(raw)}.")
    return raw


class TokensLeft(int):
    """What is left of a task; a plain number is all of it."""


def task_budget(field: str, raw: object) -> int:
    """Anthropic's budget of a whole task: what is left of it, else all of it, in tokens.

    Raises:
        BudgetError: It is no such object, a number is wrong, or more is left than there was.
    """
    given = raw if isinstance(raw, Mapping) else {}
    said = {
        name: tokens(f"{field}.{name}", value)
        for name in ("total", "remaining")
        if (value := given.get(name)) is not None
    }
    if given.get("type") != "tokens" or not said:
        raise BudgetError(field, f'{field} must be {{"type": "tokens", "total": TOKENS}}, not {shown(raw)}.')
    total, left = said.get("total"), said.get("remaining")
    if left is None:
        return said["total"]
    if total is not None and left > total:
        name = f"{field}.remaining"
        raise BudgetError(name, f"{name} ({left}) is above {field}.total ({total}).")
    return TokensLeft(left)


def inverted_switch(field: str, raw: object) -> bool:
    """A switch whose true means no."""
    return not switch(field, raw)


DISPLAYS = {"summarized": True, "omitted": False, "updates": True}
"""Of "updates" only notes of progress are to be shown. A model here writes none apart from its thinking, and
thinking that was kept back could not come back with the conversation."""


def display(field: str, raw: object) -> bool:
    """Anthropic's word for whether thinking is shown; a summary is the thinking itself here.

    Raises:
        BudgetError: It is none of them.
    """
    if not isinstance(raw, str) or raw not in DISPLAYS:
        raise BudgetError(field, f"{field} must be one of {', '.join(DISPLAYS)}, not {shown(raw)}.")
    return DISPLAYS[raw]


def word(what: str = "an effort word") -> Reader[str]:
    """A reader of a string; which words there are, the settings know."""

    def read(field: str, raw: object) -> str:
        if not isinstance(raw, str):
            raise BudgetError(field, f"{field} must be {what}, not {shown(raw)}.")
        return raw

    return read


THINKING_TYPES = {"enabled": True, "adaptive": True, "disabled": False}


def thinking_type(field: str, raw: object) -> bool:
    """Anthropic's word for whether to think.

    Raises:
        BudgetError: It is none of THINKING_TYPES.
    """
    if not isinstance(raw, str) or raw not in THINKING_TYPES:
        raise BudgetError(field, f"{field} must be one of {', '.join(THINKING_TYPES)}, not {shown(raw)}.")
    return THINKING_TYPES[raw]
