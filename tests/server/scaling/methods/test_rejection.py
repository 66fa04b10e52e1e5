"""Rejection sampling: the first sample whose thinking fits; too long ones are aborted; tries are bounded."""

import asyncio

import pytest

from server.budget.budget import BudgetError, ThinkingBudget
from server.scaling.methods.rejection import RejectionFields, rejection
from server.scaling.samples import Ask, abortable
from tests.server.scaling.scripted import ScriptedSampler, Told, context


def samples(*lengths: int) -> ScriptedSampler:
    return ScriptedSampler(lambda _, index: Told(f"Final Answer: {index}", turns=lengths[index]))


async def test_the_first_sample_that_fits_is_the_answer() -> None:
    source = samples(50, 40, 20, 10)
    outcome = await rejection(RejectionFields(accept_up_to=20), context(source))
    assert outcome.chosen.index == 2
    assert outcome.report == {"tries": 3, "accepted": True}
    assert len(source.asks) == 3


async def test_a_sample_is_aborted_as_soon_as_it_is_too_long() -> None:
    source = samples(500, 20)
    await rejection(RejectionFields(accept_up_to=20), context(source))
    assert source.usage.entries[0].state.value == "aborted"
    assert source.usage.entries[0].thinking_tokens == 21
    assert source.usage.totals()["completion_tokens_details"]["reasoning_tokens"] == 41


async def test_the_tries_are_bounded_and_the_last_is_closed_at_the_limit() -> None:
    source = samples(50, 50, 50)
    outcome = await rejection(RejectionFields(accept_up_to=20, tries=3), context(source))
    assert outcome.report == {"tries": 3, "accepted": False}
    assert outcome.chosen.thinking_tokens == 20
    assert outcome.chosen.answer == "Final Answer: 2"


async def test_a_last_try_that_fits_by_itself_is_accepted() -> None:
    outcome = await rejection(RejectionFields(accept_up_to=20, tries=2), context(samples(50, 19)))
    assert outcome.report == {"tries": 2, "accepted": True}


@pytest.mark.parametrize("end", ["quota", "requested"])
async def test_a_try_that_was_closed_from_outside_is_the_answer_but_not_accepted(end: str) -> None:
    source = ScriptedSampler(lambda _, __: Told("Final Answer: 7", turns=5, end=end))
    outcome = await rejection(RejectionFields(accept_up_to=20), context(source))
    assert outcome.chosen.answer == "Final Answer: 7"
    assert outcome.report == {"tries": 1, "accepted": False}


async def test_the_clients_own_maximum_holds_too() -> None:
    source = samples(50)
    source.budget = ThinkingBudget(max_tokens=8)
    outcome = await rejection(RejectionFields(accept_up_to=20), context(source))
    assert outcome.chosen.thinking_tokens == 8
    assert outcome.report == {"tries": 1, "accepted": True}


async def test_a_minimum_above_the_limit_is_refused() -> None:
    source = samples(50)
    source.budget = ThinkingBudget(min_tokens=21)
    with pytest.raises(BudgetError) as caught:
        await rejection(RejectionFields(accept_up_to=20), context(source))
    assert caught.value.field == "scaling.accept_up_to"


async def test_who_waits_for_an_abortable_sample_can_be_cancelled() -> None:
    source = samples(100_000)
    task = asyncio.create_task(abortable(source, Ask(), lambda _: False))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert source.usage.entries[0].state.value == "aborted"
