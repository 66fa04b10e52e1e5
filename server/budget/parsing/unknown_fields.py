"""The fields that no spelling reads: which of them are refused rather than silently ignored.

A field is refused when it stands in an object that is ours, looks like a budget, or is a slip of the pen.
"""

import difflib
import json
import re
from collections.abc import Iterator, Mapping

from server.budget.budget import BudgetError
from server.budget.parsing.spellings import OURS, SPELLINGS, TASK
from server.budget.parsing.without_meaning import FOREIGN_NAMES

CLOSED = OURS | {"google.thinking_config", "extra_body.google.thinking_config"}
"""Objects that hold a budget and nothing else: any key that is not in the table is refused.

Every other object (thinking, reasoning, chat_template_kwargs, nvext, ..., and the root) has keys that are
not ours to know: `thinking.display` and `reasoning.summary` pass; a key that looks like a budget is refused.
"""
_NAMES = frozenset(row.name for row in SPELLINGS)
_OBJECTS = {".".join(row.path[:end]) for row in SPELLINGS for end in range(1, len(row.path))} - {"model"}
_READ_FOR_MISTAKES = _OBJECTS | {"vllm_xargs", "extra_body", "sampling_params"}
_KNOWN = _NAMES | _READ_FOR_MISTAKES | FOREIGN_NAMES
_ABOUT_THINKING = re.compile("think|thought|reason", re.IGNORECASE)
_WORTH_COMPARING = re.compile("think|thought|reason|budget|effort", re.IGNORECASE)
_AMOUNTS = frozenset({"config", "limit", "max", "min", "token", "tokens", "wait", "waits"})
_ONLY_OURS = frozenset(
    {"num_waits", "nudge", "wait_string", "end_message", "answer_reserve_tokens", "grace_tokens", "on_loop"}
    | {"on_max", "alpha_tokens", "max_steps", "suppress", "waits"}
)
_OF_TASKS = frozenset(row.name for row in TASK.spellings)
"""No budget of thinking: whoever writes something like it means one."""
_NEVER_SUGGESTED = frozenset({"extra_args", "options"})
"""Other programs' objects, read where a client sends them."""
_KEY_CHARS = 100
_COMPARED = 16
"""So many unknown keys that speak of thinking are compared with the table; a request with more is refused."""
_LOOKED_AT = 256
"""So many in objects that can hold a budget are looked at closely; a request with more is refused, too."""


def _keys_by_place() -> dict[str, list[str]]:
    keys: dict[str, list[str]] = {}
    for row in SPELLINGS:
        for depth, key in enumerate(row.path if row.path[0] != "model" else ()):
            known = keys.setdefault(".".join(row.path[:depth]), [])
            if key not in known:
                known.append(key)
    return keys


_KEYS = _keys_by_place()
"""The keys that the table knows, under the object that holds them; "" is the root."""


def refuse_unknown(body: Mapping[str, object]) -> None:
    """Refuse a field that is no spelling but is in the place of one, or looks like one.

    Raises:
        BudgetError: It names the field, and the spelling that was probably meant.
    """
    compared = looked_at = 0
    for place, key in _unread(body, ""):
        speaks_of_it = _WORTH_COMPARING.search(key) is not None
        if not speaks_of_it and not place and key not in _ONLY_OURS and not _is_flat(key):
            continue  # most fields of most requests, and all of those that come by the thousand
        looked_at += 1
        compared += speaks_of_it
        if compared > _COMPARED or looked_at > _LOOKED_AT:
            raise BudgetError(
                _dotted(place, _plain(key)),
                f"the request has too many fields about thinking that are none of the budget's,"
                f" {_plain(key)} among them.",
            )
        near = _nearest(place, key) if speaks_of_it else None
        if near or place in CLOSED or _looks_like_budget(place, key):
            name = _dotted(place, _plain(key))
            near = near or _nearest_anywhere(place, key)
            hint = f" Did you mean {near}?" if near else ""
            raise BudgetError(name, f"{name} is not a field of the thinking budget.{hint}")


def _is_flat(key: str) -> bool:
    """Whether it is written as a path."""
    return "." in key or ":" in key


def _nearest(place: str, key: str) -> str | None:
    """The spelling in the same object of which the key is a slip of the pen: thinking_bugdet."""
    near = difflib.get_close_matches(key[:_KEY_CHARS], _KEYS.get(place, ()), n=1, cutoff=0.88)
    return _dotted(place, near[0]) if near else None


def _nearest_anywhere(place: str, key: str) -> str | None:
    """The spelling to suggest for a field that is refused: the same key in its place, or one like it."""
    places = [place] if place in CLOSED else [each for each in _KEYS if each not in _NEVER_SUGGESTED]
    known = [each for within in places for each in _KEYS[within] if _dotted(within, each) not in _OF_TASKS]
    near = difflib.get_close_matches(key[:_KEY_CHARS], known, n=1)
    return next((_dotted(within, near[0]) for within in places if near and near[0] in _KEYS[within]), None)


def _unread(inside: Mapping[str, object], place: str) -> Iterator[tuple[str, str]]:
    """The (place, key) of every field that no row reads, as deep as the table goes."""
    for key, value in inside.items():
        name = _dotted(place, key)
        written_flat = _is_flat(key)
        if isinstance(value, Mapping) and name in _READ_FOR_MISTAKES and not written_flat:
            yield from _unread(value, name)
        elif written_flat or name not in _KNOWN:
            yield place, key


def _looks_like_budget(place: str, key: str) -> bool:
    name = _dotted(place, key)
    words = {part.lower() for part in re.findall("[A-Z]?[a-z]+|[A-Z]+", name)}
    amount_of_thinking = _ABOUT_THINKING.search(name) and not words.isdisjoint(_AMOUNTS)
    misplaced = name in _NAMES or key in _ONLY_OURS or (place == "extra_body" and key in _KEYS[""])
    return bool(amount_of_thinking) or "budget" in key.lower() or misplaced


def _plain(key: str) -> str:
    return json.dumps(key[:_KEY_CHARS])[1:-1]


def _dotted(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key
