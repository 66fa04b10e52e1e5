"""One sequence: its tokens are counted, charged and timed as they come; the engine is asked but once."""

import asyncio
from typing import Any

import pytest

from server.budget.plan import UNGOVERNED, Opening
from server.budget.running.forced_spans import Span
from server.budget.running.report import ForcedRecord
from server.engine.client.call import Call
from server.engine.client.choice import Choice
from server.keys.meter import MemoryMeter, Quota
from server.reasoning.ends import End
from tests.server.budget.plans import BLANK, CUE, END, NUDGE, START, STOP
from tests.server.budget.plans import plan as make_plan
from tests.server.engine.client.running import Case


def choice(*tokens: int, call: Call | None = None, **changes: Any) -> Choice:
    """One that a budget holds on, after these tokens."""
    return Case(n=1, given=make_plan(**changes), call=call).admit(0, *tokens)


@pytest.mark.parametrize(
    ("tokens", "free"),
    [
        ((1, END, 4), [False, False, True]),
        ((1, END, *CUE, 4), [False, False, False, False, True]),  # a maximum of 1: the cue is ours
    ],
    ids=["natural", "forced"],
)
def test_only_the_answers_own_tokens_are_free(tokens: tuple[int, ...], free: list[bool]) -> None:
    it = choice(max_tokens=1 if CUE[0] in tokens else 9)
    assert [it.take(token) for token in tokens] == free


def test_answer_without_thinking_is_free_from_its_first_token() -> None:
    it = choice(opening=Opening.AWAIT, start=(START, 4))
    assert [it.take(token) for token in (BLANK, 4, 5)] == [False, True, True]
    it.finish("stop", ForcedRecord())
    assert it.tracker.answer_at == 0


def test_key_is_charged_for_thinking_and_for_nothing_else() -> None:
    meter = MemoryMeter(Quota(100, 60))
    choice(START, 1, *NUDGE, 2, END, 4, 5, STOP, opening=Opening.AWAIT, call=Call(meter=meter))
    assert meter.left == 97


def test_key_gets_back_what_turned_out_to_be_the_delimiter() -> None:
    meter = MemoryMeter(Quota(100, 60))
    it = choice(1, 2, 5, end=(5, 6), end_is_distinct=False, call=Call(meter=meter))
    assert meter.left == 97
    it.take(6)
    assert (meter.left, it.tracker.end) == (98, End.NATURAL)


@pytest.mark.parametrize(
    ("tokens", "reason", "end"),
    [
        ((1, 2), "length", "length"),
        ((1, 2), "stop", "stop"),
        ((1, 2), "abort", "stop"),
        ((1, 2), "repetition", "stop"),
        ((1, 2), "a reason of a later vLLM", "error"),
        ((1, 2), None, "error"),
        ((1, END, 4), "length", "natural"),
        ((1, END, 4), "error", "error"),
    ],
)
def test_outcome_says_why_thinking_ended(tokens: tuple[int, ...], reason: str | None, end: str) -> None:
    it = choice(*tokens)
    it.finish(reason, ForcedRecord())
    assert it.outcome is not None
    assert it.outcome.end == end


async def test_engine_is_asked_once_for_the_record_though_the_first_asker_went_away() -> None:
    """The workers give it once: asked again, they would say that nothing was forced."""
    case = Case(n=1)
    it = case.admit(0, *NUDGE)
    case.workers.says["row-0"] = ({0: "nudge"}, [0], None)
    first = asyncio.create_task(it.forced_record())
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    records = [await it.forced_record() for _ in range(2)]
    assert [record and record.waits_at for record in records] == [(0,), (0,)]
    assert case.workers.asked == ["row-0"]


async def test_engine_is_not_asked_of_a_sequence_that_no_budget_holds_on() -> None:
    case = Case(n=1, given=UNGOVERNED, is_planned=False, call=Call(detail=True))
    it = case.admit(0, 1, END)
    assert await it.forced_record() == ForcedRecord()
    assert await it.report_so_far((1, END)) is None
    assert (case.workers.asked, case.workers.peeked) == ([], [])


async def test_report_on_the_way_asks_only_after_a_token_that_can_have_been_forced() -> None:
    case = Case(n=1, given=make_plan(cue=()), call=Call(detail=True))
    it = case.admit(0)

    async def come(*tokens: int) -> int:
        for token in tokens:
            it.take(token)
        await it.report_so_far(tokens)
        return len(case.workers.peeked)

    assert await come(1, 2) == 0
    assert await come(*NUDGE) == 1  # the model's own, or ours
    assert await come(3) == 1
    assert await come(END) == 2
    assert await come(*NUDGE) == 2  # nothing is forced in an answer that is the model's own


async def test_report_on_the_way_has_the_spans_known_so_far_and_the_last_one_all() -> None:
    case = Case(n=1, call=Call(detail=True))
    it = case.admit(0)
    assert it.detail is not None
    case.workers.says["row-0"] = ({1: "nudge"}, [1], None)
    for token, text in ((1, "so "), (NUDGE[0], "so Wait"), (END, "so Wait")):
        it.take(token)
        it.detail.text_ends.append(len(text))
    so_far = await it.report_so_far((1, *NUDGE, END))
    assert so_far is not None
    assert (so_far.end, so_far.waits_used) == ("natural", 1)
    assert so_far.forced_spans == (Span("nudge", "thinking", 3, 7),)
    last = it.finish("stop", ForcedRecord())
    assert last.forced_spans == ()


async def test_report_without_detail_names_no_spans() -> None:
    it = choice(1, END, 4)
    assert await it.report_so_far((1, END, 4)) is None
    assert it.finish("stop", ForcedRecord()).forced_spans is None
