"""Tokens between two marks are skimmed, and what is said of the sequence is what it is token by token."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vllm.v1.engine.detokenizer import IncrementalDetokenizer

from server.budget.plan import Plan
from server.budget.running.report import ForcedRecord
from server.engine.client.call import Call
from server.engine.client.choice import PLAIN_BATCH, Choice
from server.engine.client.detokenizer import AnswerStopDetokenizer
from server.keys.meter import MemoryMeter, Quota
from tests.examples import examples
from tests.server.budget.driving import MODELS, Model, drive
from tests.server.budget.plans import ANY_PLAN, CUE, END
from tests.server.budget.plans import plan as make_plan
from tests.server.engine.client.running import Case


def detokenizer(choice: Choice, **more: Any) -> AnswerStopDetokenizer:
    """Over one that makes no text."""
    given: dict[str, Any] = {"stop": (), "stop_token_ids": (), "is_blank": lambda _: False, **more}
    return AnswerStopDetokenizer(IncrementalDetokenizer(), choice, **given)


@settings(max_examples=examples(300))
@given(ANY_PLAN, MODELS, st.booleans())
def test_sequence_is_told_of_as_if_each_token_had_been_looked_at(
    the_plan: Plan, model: Model, has_quota: bool
) -> None:
    out, _ = drive(the_plan, model.sample, is_likely=model.is_likely)
    meter = MemoryMeter(Quota(10**6, 60)) if has_quota else None
    one, other = Case(n=1, given=the_plan), Case(n=1, given=the_plan, call=Call(meter=meter))
    taken, skimmed = one.admit(0, *out), other.admit(0)
    update = detokenizer(skimmed).update
    for at, token in enumerate(out):
        update([token], at == len(out) - 1)
        if meter is not None:
            assert meter.left == 10**6 - _tokens(the_plan, out[: at + 1])
    reports = [each.finish("stop", ForcedRecord()) for each in (taken, skimmed)]
    assert reports[0] == reports[1]
    assert taken.tracker.position == skimmed.tracker.position
    assert taken.clock.shows_answer == skimmed.clock.shows_answer
    assert _known(taken) == _known(skimmed)


def _known(choice: Choice) -> list[bool]:
    """Which of its moments have a time."""
    times = choice.clock.times()
    return [times.first_token_s is None, times.first_answer_token_s is None, times.thinking_s == 0]


def _tokens(the_plan: Plan, out: list[int]) -> int:
    return Case(n=1, given=the_plan).admit(0, *out).tracker.tokens


def test_plain_tokens_wait_to_be_counted_and_a_mark_counts_them() -> None:
    choice = Case(n=1, given=make_plan()).admit(0)
    update = detokenizer(choice).update
    for _ in range(PLAIN_BATCH):
        update([1], False)
    assert choice.tracker.tokens == 1
    update([END], False)
    assert (choice.tracker.tokens, choice.tracker.answer_at) == (PLAIN_BATCH, PLAIN_BATCH + 1)


def test_choice_that_is_cut_off_has_all_that_came() -> None:
    choice = Case(n=1, given=make_plan()).admit(0)
    detokenizer(choice).update([1, 2, 3], False)
    assert choice.cut_off("aborted", ForcedRecord()).report.tokens == 3


@pytest.mark.parametrize("wants", ["detail", "on_tokens"])
def test_who_watches_each_token_sees_each(wants: str) -> None:
    choice = Case(n=1, given=make_plan(), call=Call(detail=wants == "detail")).admit(0)
    stops, seen = detokenizer(choice), list[int]()
    if wants == "on_tokens":
        stops.on_tokens = lambda tracker: seen.append(tracker.tokens)
    for count in range(1, 6):
        stops.update([1], False)
        assert choice.tracker.tokens == count
    assert seen == ([1, 2, 3, 4, 5] if wants == "on_tokens" else [])


def test_stop_token_acts_in_the_answer_only() -> None:
    choice = Case(n=1, given=make_plan()).admit(0)
    update = detokenizer(choice, stop_token_ids=(4,)).update
    said: list[Any] = [update([token], False) for token in (1, 4, 4, END, 2, 2, 4)]
    assert said == [None] * 6 + [4]


def test_stop_token_does_not_act_in_a_forced_cue() -> None:
    choice = Case(n=1, given=make_plan(max_tokens=2)).admit(0)
    update = detokenizer(choice, stop_token_ids=CUE).update
    said: list[Any] = [update([token], False) for token in (1, 2, END, *CUE, 3, CUE[0])]
    assert said == [None] * 6 + [CUE[0]]
