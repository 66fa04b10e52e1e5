"""Responses that are kept for `previous_response_id`: so many, for so long, of no more than so many bytes.

vLLM keeps responses and their conversations in two dictionaries that only grow, and gives them to everybody.
Here both are views of one store: a response is never there without its conversation, and is there only for
the key that asked for it, even where two keys choose the same id.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from types import MethodType
from typing import Any

from starlette.datastructures import State

from server.engine.client.call import CALL, Call
from server.engine.seams import require

MOST_BYTES = 256 * 2**20
"""Of all that is kept together, as it came in and went out."""
RESPONSES, CONVERSATIONS = "response_store", "msg_store"
"""vLLM's names of its dictionaries."""


@dataclass(slots=True)
class _Entry:
    """One response. `size`: bytes of its conversation, earlier turns included, and of itself."""

    at: float
    size: int
    parts: dict[str, Any] = field(default_factory=dict)


class ResponseStore:
    """At most `most` responses, each for `seconds` after it was made. The oldest go first."""

    def __init__(
        self,
        most: int,
        seconds: float,
        most_bytes: int = MOST_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = most
        self._seconds = seconds
        self._most_bytes = most_bytes
        self._clock = clock
        self._entries: OrderedDict[tuple[str | None, str], _Entry] = OrderedDict()
        """By the key's name and the response's id."""
        self._size = 0

    def put(self, response_id: str, part: str, value: Any) -> None:
        """Keep a part of a response. Its conversation comes first; without that, it is not kept."""
        call = CALL.get() or Call()
        place = (call.key_name, response_id)
        entry = self._take(place)
        if entry is None:
            if part != CONVERSATIONS:
                return
            before = self._entries.get((call.key_name, call.previous_response_id or ""))
            entry = _Entry(0.0, call.body_bytes + (before.size if before else 0))
        if part == RESPONSES and RESPONSES not in entry.parts:
            entry.size += len(value.model_dump_json())
        entry.parts[part], entry.at = value, self._clock()
        self._entries[place] = entry
        self._size += entry.size
        self._shrink()

    def find(self, response_id: str, part: str) -> Any:
        """A part of a response; None: it is not kept, or not for who asks."""
        self._shrink()
        entry = self._entries.get(((CALL.get() or Call()).key_name, response_id))
        return None if entry is None or len(entry.parts) < 2 else entry.parts.get(part)

    def holds(self, response_id: str, key_name: str | None) -> bool:
        """Whether the response is kept for this key."""
        self._shrink()
        return (key_name, response_id) in self._entries

    def _take(self, place: tuple[str | None, str]) -> _Entry | None:
        entry = self._entries.pop(place, None)
        if entry is not None:
            self._size -= entry.size
        return entry

    def _shrink(self) -> None:
        oldest_allowed = self._clock() - self._seconds
        while self._entries:
            first = next(iter(self._entries))
            is_old = self._entries[first].at < oldest_allowed
            if not is_old and len(self._entries) <= self._most and self._size <= self._most_bytes:
                return
            self._take(first)


class View(dict[str, Any]):
    """One part of all responses, with what vLLM asks of a dictionary."""

    def __init__(self, store: ResponseStore, part: str) -> None:
        super().__init__()
        self._store = store
        self._part = part

    def __setitem__(self, response_id: str, value: Any) -> None:
        self._store.put(response_id, self._part, value)

    def __getitem__(self, response_id: str) -> Any:
        """The part.

        Raises:
            KeyError: It is not kept.
        """
        found = self._store.find(response_id, self._part)
        if found is None:
            raise KeyError(response_id)
        return found

    def get(self, response_id: str, default: Any = None) -> Any:
        """The part, or `default`."""
        found = self._store.find(response_id, self._part)
        return default if found is None else found


def keep_responses(state: State, most: int, seconds: int) -> ResponseStore:
    """In vLLM's serving class of /v1/responses, where this application has it; `most` 0 keeps none.

    Returns what keeps them.

    Raises:
        SeamError: This release of vLLM keeps them otherwise.
    """
    store = ResponseStore(most, seconds)
    serving = getattr(state, "openai_serving_responses", None)
    if serving is None:
        return store
    require(serving, "enable_store", RESPONSES, CONVERSATIONS, "_make_not_found_error")
    serving.enable_store = most > 0
    setattr(serving, RESPONSES, View(store, RESPONSES))
    setattr(serving, CONVERSATIONS, View(store, CONVERSATIONS))
    vllms = serving._make_not_found_error

    def not_found(_: Any, response_id: str) -> Any:
        told, call = vllms(response_id), CALL.get() or Call()
        told.error.message = (
            f"Response with id {response_id!r} not found. This server keeps the last {most} for {seconds} s"
            " (--max-stored-responses, --stored-response-seconds), and not those with store: false."
        )
        told.error.param = "previous_response_id" if call.previous_response_id else "response_id"
        return told

    serving._make_not_found_error = MethodType(not_found, serving)
    return store
