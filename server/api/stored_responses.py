"""Responses that are kept for `previous_response_id`: so many, for so long, of no more than so many bytes.

vLLM keeps responses, their conversations and the events of streams in the background in dictionaries that
only grow, and gives them to everybody. Here these are views of one store: a response is never there without
its conversation, nor its events without it, and all of it is there only for the key that asked for it, even
where two keys choose the same id.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from types import MethodType
from typing import Any, TypeAlias

from starlette.datastructures import State

from server.engine.client.call import CALL, Call
from server.engine.seams import require

MOST_BYTES = 256 * 2**20
"""Of all that is kept together, as it came in and went out."""
EVENT_BYTES = 1024
"""An event of a stream in the background takes about so many: to write each out would hold the event loop."""
RESPONSES, CONVERSATIONS, EVENTS = "response_store", "msg_store", "event_store"
TASKS = "background_tasks"
"""vLLM's names of its dictionaries."""

Place: TypeAlias = tuple[str | None, str]
"""The key's name and the response's id."""


@dataclass(slots=True)
class _Entry:
    """One response. Bytes: `asked` of its conversation, earlier turns included; `events` of its stream."""

    at: float
    asked: int
    answered: int = 0
    events: int = 0
    parts: dict[str, Any] = field(default_factory=dict)

    @property
    def turns(self) -> int:
        """Bytes of the conversation and of the response itself."""
        return self.asked + self.answered

    @property
    def size(self) -> int:
        """Bytes of all of it."""
        return self.turns + self.events


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
        self._entries: OrderedDict[Place, _Entry] = OrderedDict()
        self._size = 0

    def put(self, response_id: str, part: str, value: Any) -> None:
        """Keep a part of a response. Its conversation comes first; without that, it is not kept."""
        call = CALL.get() or Call()
        place = place_of(response_id)
        entry = self._take(place)
        if entry is None:
            if part != CONVERSATIONS:
                return
            before = self._entries.get((call.key_name, call.previous_response_id or ""))
            entry = _Entry(0.0, call.body_bytes + (before.turns if before else 0))
        if part == RESPONSES:
            entry.answered = len(value.model_dump_json())
        entry.parts[part], entry.at = value, self._clock()
        self._entries[place] = entry
        self._size += entry.size
        self._shrink()

    def weigh_events(self, response_id: str) -> None:
        """Count the events of a stream in the background, which has ended: vLLM adds them unseen."""
        entry = self._entries.get(place_of(response_id))
        if entry is not None and EVENTS in entry.parts:
            events, _ = entry.parts[EVENTS]
            self._size -= entry.events
            entry.events = EVENT_BYTES * len(events)
            self._size += entry.events
            self._shrink()

    def find(self, response_id: str, part: str) -> Any:
        """A part of a response; None: it is not kept, or not for who asks."""
        self._shrink()
        entry = self._entries.get(place_of(response_id))
        is_whole = entry is not None and {RESPONSES, CONVERSATIONS} <= entry.parts.keys()
        return entry.parts.get(part) if entry is not None and is_whole else None

    def holds(self, response_id: str, key_name: str | None) -> bool:
        """Whether the response is kept for this key."""
        self._shrink()
        return (key_name, response_id) in self._entries

    def _take(self, place: Place) -> _Entry | None:
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


def place_of(response_id: str) -> Place:
    """Where a response with this id is, for the key of the call that is served now."""
    return (CALL.get() or Call()).key_name, response_id


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

    def __contains__(self, response_id: object) -> bool:
        return isinstance(response_id, str) and self._store.find(response_id, self._part) is not None


class Tasks(dict[str, Any]):
    """What makes the responses in the background; vLLM takes each out when it has ended.

    None goes earlier, even where its response is kept no more: asyncio itself holds no task.
    """

    def __init__(self, store: ResponseStore) -> None:
        super().__init__()
        self._store = store
        self._running: dict[Place, Any] = {}

    def __setitem__(self, response_id: str, task: Any) -> None:
        self._running[place_of(response_id)] = task

    def get(self, response_id: str, default: Any = None) -> Any:
        """The task, or `default`."""
        return self._running.get(place_of(response_id), default)

    def pop(self, response_id: str, default: Any = None) -> Any:
        """The task, which has ended, or `default`."""
        self._store.weigh_events(response_id)
        return self._running.pop(place_of(response_id), default)


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
    parts = (RESPONSES, CONVERSATIONS, EVENTS)
    require(serving, "enable_store", *parts, TASKS, "_make_not_found_error")
    serving.enable_store = most > 0
    for part in parts:
        setattr(serving, part, View(store, part))
    setattr(serving, TASKS, Tasks(store))
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
