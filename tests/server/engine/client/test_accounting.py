"""Every choice of a request is told of exactly once, however the request ended."""

import asyncio

import pytest

from server.budget.plan import UNGOVERNED
from server.observability.record import ABORTED, ChoiceRecord
from server.reasoning.ends import End
from tests.server.budget.plans import END, NUDGE, STOP
from tests.server.engine.client.running import Case

FORCED = ({1: "nudge", 3: "nudge"}, [1, 3], None)


async def test_choices_that_finished_are_told_at_once() -> None:
    case = Case()
    for index in range(2):
        case.admit(index, 1, END, 4, STOP)
        await case.report(index, reason="stop")
    assert case.generation.close(End.ERROR) is None
    assert case.ends == [(0, "natural"), (1, "natural")]
    assert (case.count("s1_thinking_tokens_total"), case.count("s1_answer_tokens_total")) == (2, 6)


async def test_choice_cut_off_counts_what_was_forced_up_to_its_last_token() -> None:
    """The engine was a step ahead: its second nudge never came out."""
    case = Case()
    case.admit(0, 1, END, 4)
    await case.report(0, reason="stop")
    case.admit(1, 1, *NUDGE, 2)
    case.workers.says["row-1"] = FORCED
    await case.close(ABORTED)
    assert case.ends == [(0, "natural"), (1, "aborted")]
    assert case.workers.asked == ["row-0", "row-1"]
    assert (case.count("s1_waits_total"), case.count("s1_forced_tokens_total", kind="nudge")) == (1, 1)
    assert (case.count("s1_thinking_tokens_total"), case.count("s1_answer_tokens_total")) == (4, 2)


async def test_choice_that_was_not_admitted_yet_is_cut_off_too() -> None:
    case = Case()
    case.admit(0, 1)
    await case.close(ABORTED)
    assert case.ends == [(0, "aborted"), (1, "aborted")]
    assert case.workers.asked == ["row-0"]


async def test_clients_mistake_is_no_ended_request() -> None:
    case = Case()
    await case.close(None)
    assert case.ends == []


async def test_clients_mistake_that_vllm_finds_late_is_the_error_of_what_ran() -> None:
    case = Case()
    case.admit(1, 1)
    await case.close(None)
    assert case.ends == [(1, "error")]


async def test_vllms_error_is_an_error_though_thinking_had_ended() -> None:
    case = Case(n=1)
    case.admit(0, 1, END, 4)
    await case.report(0, reason="error")
    await case.close(ABORTED)
    assert case.ends == [(0, "error")]


async def test_engine_that_is_gone_takes_only_its_records_with_it() -> None:
    case = Case(n=1)
    case.admit(0, 1, *NUDGE, 2)
    case.workers.says["row-0"] = ConnectionError("gone")
    await case.close(End.ERROR)
    assert case.ends == [(0, "error")]
    assert (case.count("s1_thinking_tokens_total"), case.count("s1_waits_total")) == (3, 0)


async def test_server_that_stops_meanwhile_still_tells() -> None:
    case = Case(n=1)
    case.admit(0, 1)
    errand = case.generation.close(ABORTED)
    assert errand is not None
    task = asyncio.create_task(errand)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert case.ends == [(0, "aborted")]


async def test_request_that_no_budget_holds_on_counts_as_one_of_no_known_thinking() -> None:
    case = Case(n=1, given=UNGOVERNED, is_planned=False)
    case.admit(0, 1, 2, STOP)
    await case.report(0, reason="stop")
    await case.close(ABORTED)
    (line,) = case.lines
    assert (line["end"], line["thinking_tokens"], line["answer_tokens"]) == ("none", 0, 3)
    assert line["shows_answer"]
    assert case.workers.asked == []


async def test_who_waits_for_a_record_gets_the_one_that_was_told() -> None:
    case = Case(n=1)
    waited: list[ChoiceRecord] = []
    case.admit(0).also_tell = waited.append
    await case.close(ABORTED)
    assert [record.end for record in waited] == ["aborted"]
