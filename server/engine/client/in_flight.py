"""Which requests run, and how they are ended from outside: by a control request, a quota, a shutdown."""

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from vllm.v1.engine import EngineCoreRequest

from server.engine.client.call import Call
from server.engine.client.choice import Choice
from server.engine.client.generation import Generation
from server.engine.client.worker_calls import ThinkingEnder
from server.keys.meter import Meter
from server.reasoning.ends import End

TICKET_KEY = "s1_ticket"
"""In a request's extra_args: a name of our own, since its id may be the client's, and come twice."""


class InFlight:
    """The generations that run, by ticket, and the responses that are put together from several of them."""

    def __init__(self, ender: ThinkingEnder) -> None:
        self._ender = ender
        self._issued = 0
        self._generations: dict[str, Generation] = {}
        self._scaled: dict[str, tuple[str, Call]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    def ticket(self) -> str:
        """A name that no other request of this process has."""
        self._issued += 1
        return str(self._issued)

    @contextmanager
    def running(self, ticket: str, generation: Generation) -> Iterator[None]:
        """While its request runs it can be found, and ended."""
        self._generations[ticket] = generation
        try:
            yield
        finally:
            del self._generations[ticket]

    @contextmanager
    def answering(self, response_id: str, call: Call) -> Iterator[None]:
        """While a response is made from several requests for `call`, it can be ended between two of them."""
        ticket = self.ticket()
        self._scaled[ticket] = (response_id, call)
        try:
            yield
        finally:
            del self._scaled[ticket]

    def generation_of(self, request: EngineCoreRequest) -> Generation | None:
        """The generation that a sequence belongs to; None where none of ours runs for it."""
        params = request.sampling_params
        ticket = (params.extra_args or {}).get(TICKET_KEY) if params is not None else None
        return None if ticket is None else self._generations.get(ticket)

    async def end_if_due(self, generation: Generation, choice: Choice) -> None:
        """End the thinking of a choice that was just sent where its request's was ended before it was sent.

        The same where the quota of its key is exhausted. It raises what the engine client raises.
        """
        meter, parent = generation.call.meter, generation.call.parent
        why = generation.ended_by or (parent.ended_by if parent else None)
        if why is None and meter is not None and meter.is_spent:
            why = End.QUOTA
        if why is not None and choice.row_id is not None:
            await self._ender.end({choice.row_id: choice.tracker}, why)

    def holds(self, response_id: str, key_name: str | None) -> bool:
        """Whether a response with this id is being made here for this key."""
        asked = (response_id, key_name)
        return any((each, call.key_name) == asked for each, call in self._scaled.values()) or any(
            (each.call.request_id, each.call.key_name) == asked for each in self._generations.values()
        )

    async def end_thinking(self, request_id: str, key_name: str | None) -> bool | None:
        """End the thinking of a running request, all its choices, at their next token.

        It raises what the engine client raises.

        Returns:
            True where any of them was thinking or had not begun; False where all of them answer already; None
            where this key has no such request running.
        """
        asked = (request_id, key_name)
        scaled = [
            call for response_id, call in self._scaled.values() if (response_id, call.key_name) == asked
        ]
        for call in scaled:
            call.ended_by = End.REQUESTED
        found = [
            each
            for each in self._generations.values()
            if (each.call.request_id, each.call.key_name) == asked and each.account.info.is_planned
        ]
        ended = await self._end(found, End.REQUESTED) if found else None
        return True if scaled else ended

    def end_all_thinking(self, meter: Meter) -> None:
        """The quota of a key is exhausted: its running requests answer from their next token on."""
        found = [each for each in self._generations.values() if each.call.meter is meter and each.choices]
        self.dispatch(self._end(found, End.QUOTA))

    def cut_off(self, message: str) -> None:
        """Note in every running call why it is about to end, in words for its client."""
        for generation in self._generations.values():
            generation.call.cut_off = message

    def dispatch(self, background: Coroutine[Any, Any, Any]) -> None:
        """Run a background task that no request waits for."""
        task = asyncio.create_task(background)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _end(self, found: Sequence[Generation], why: End) -> bool:
        """Whether any of them was thinking, or has not begun."""
        for generation in found:
            generation.ended_by = generation.ended_by or why
        thinking = {
            choice.row_id: choice.tracker
            for generation in found
            for choice in generation.choices.values()
            if choice.row_id is not None and choice.tracker.is_thinking
        }
        if thinking:
            await self._ender.end(thinking, why)
        return bool(thinking) or any(not generation.choices for generation in found)
