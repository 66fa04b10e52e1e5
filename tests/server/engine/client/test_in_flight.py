"""Thinking is ended for those requests alone that were meant: by id and key, or by the key's quota."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from server.budget.plan import UNGOVERNED
from server.engine.client.call import Call
from server.engine.client.in_flight import TICKET_KEY, InFlight
from server.engine.client.worker_calls import ThinkingEnder
from server.keys.meter import MemoryMeter, Quota
from server.reasoning.ends import End
from tests.server.budget.plans import END
from tests.server.engine.client.core import PromptCore
from tests.server.engine.client.running import Case


def call_of(response_id: str, key_name: str | None = None, **more: Any) -> Call:
    """A call whose response has this id."""
    state = {"request_metadata": SimpleNamespace(request_id=response_id)}
    return Call(state=state, key_name=key_name, **more)


class Server:
    """What is in flight over one engine, which ends thinking at once."""

    def __init__(self) -> None:
        self.core = PromptCore()
        self.in_flight = InFlight(ThinkingEnder(self.core))

    def running(self, case: Case) -> Any:
        return self.in_flight.running(self.in_flight.ticket(), case.generation)

    @property
    def ended_rows(self) -> list[str]:
        return [row for _, rows in self.core.asked for row in rows]


async def test_request_is_ended_by_its_id_and_key_all_choices_that_think() -> None:
    server, case = Server(), Case(n=3, call=call_of("a", "alice"))
    thinking = case.admit(0, 1), case.admit(2, 1, 2)
    case.admit(1, 1, END, 4)
    with server.running(case):
        assert await server.in_flight.end_thinking("a", "alice") is True
    assert server.ended_rows == ["row-0", "row-2"]
    assert [(it.tracker.requested_at, it.tracker.requested_by) for it in thinking] == [(7, End.REQUESTED)] * 2


@pytest.mark.parametrize(("request_id", "key_name"), [("a", "bob"), ("a", None), ("b", "alice")])
async def test_nobody_ends_another_keys_request(request_id: str, key_name: str | None) -> None:
    server, case = Server(), Case(call=call_of("a", "alice"))
    case.admit(0, 1)
    with server.running(case):
        assert await server.in_flight.end_thinking(request_id, key_name) is None
    assert (server.ended_rows, case.generation.ended_by) == ([], None)


async def test_request_whose_choices_all_answer_is_said_so() -> None:
    server, case = Server(), Case(n=1, call=call_of("a"))
    case.admit(0, 1, END, 4)
    with server.running(case):
        assert await server.in_flight.end_thinking("a", None) is False
    assert server.ended_rows == []


async def test_request_that_no_budget_holds_on_cannot_be_ended() -> None:
    server, case = Server(), Case(n=1, given=UNGOVERNED, is_planned=False, call=call_of("a"))
    case.admit(0, 1)
    with server.running(case):
        assert await server.in_flight.end_thinking("a", None) is None


async def test_request_that_is_over_is_not_found_whatever_way_it_ended() -> None:
    server, case = Server(), Case(call=call_of("a"))
    with pytest.raises(ConnectionError), server.running(case):
        raise ConnectionError
    assert await server.in_flight.end_thinking("a", None) is None


async def test_choices_that_are_sent_after_the_end_was_asked_for_are_ended_too() -> None:
    server, case = Server(), Case(n=2, call=call_of("a"))
    with server.running(case):
        assert await server.in_flight.end_thinking("a", None) is True  # none was sent yet
        for index in range(2):
            await server.in_flight.end_if_due(case.generation, case.admit(index))
    assert server.ended_rows == ["row-0", "row-1"]


async def test_end_that_came_first_keeps_its_name() -> None:
    meter = MemoryMeter(Quota(1, 60))
    server, case = Server(), Case(n=1, call=call_of("a", meter=meter))
    tracker = case.admit(0).tracker
    with server.running(case):
        await server.in_flight.end_thinking("a", None)
        server.in_flight.end_all_thinking(meter)
        await asyncio.sleep(0.01)
    assert (tracker.requested_by, case.generation.ended_by) == (End.REQUESTED, End.REQUESTED)


async def test_exhausted_quota_ends_all_requests_of_its_key_and_no_others() -> None:
    meters = [MemoryMeter(Quota(10, 60)) for _ in range(2)]
    server = Server()
    mine, also_mine, other = (Case(n=1, call=Call(meter=each)) for each in (meters[0], *meters))
    for case in (mine, also_mine, other):
        case.admit(0, 1)
    with server.running(mine), server.running(also_mine), server.running(other):
        server.in_flight.end_all_thinking(meters[0])
        await asyncio.sleep(0.01)
    assert [case.generation.ended_by for case in (mine, also_mine, other)] == [End.QUOTA, End.QUOTA, None]


@pytest.mark.parametrize(("spent", "rows"), [(9, []), (10, ["row-0"])])
async def test_choice_that_is_sent_when_the_quota_is_exhausted_answers_at_once(
    spent: int, rows: list[str]
) -> None:
    meter = MemoryMeter(Quota(10, 60))
    server, case = Server(), Case(n=1, call=Call(meter=meter))
    meter.spend(spent)
    await server.in_flight.end_if_due(case.generation, case.admit(0))
    assert server.ended_rows == rows


async def test_response_of_several_requests_can_be_ended_between_two_of_them() -> None:
    server, parent = Server(), call_of("whole", "alice")
    with server.in_flight.answering("whole", parent):
        assert await server.in_flight.end_thinking("whole", "bob") is None
        assert await server.in_flight.end_thinking("whole", "alice") is True
        later = Case(n=1, call=Call(parent=parent))
        await server.in_flight.end_if_due(later.generation, later.admit(0))
    assert server.ended_rows == ["row-0"]
    assert await server.in_flight.end_thinking("whole", "alice") is None


async def test_sequence_belongs_to_the_generation_that_its_ticket_names() -> None:
    server, one, other = Server(), Case(), Case()
    tickets = [server.in_flight.ticket() for _ in range(2)]

    def sequence(extra: dict[str, str] | None) -> Any:
        return SimpleNamespace(sampling_params=SimpleNamespace(extra_args=extra))

    with server.in_flight.running(tickets[0], one.generation):
        with server.in_flight.running(tickets[1], other.generation):
            found = [server.in_flight.generation_of(sequence({TICKET_KEY: each})) for each in tickets]
            assert found == [one.generation, other.generation]
        assert server.in_flight.generation_of(sequence({TICKET_KEY: tickets[1]})) is None
        assert server.in_flight.generation_of(sequence(None)) is None
        assert server.in_flight.generation_of(SimpleNamespace(sampling_params=None)) is None  # pooling


async def test_every_running_call_learns_why_it_is_cut_off() -> None:
    server, case = Server(), Case()
    with server.running(case):
        server.in_flight.cut_off("The server is stopping.")
    assert case.call.cut_off == "The server is stopping."
