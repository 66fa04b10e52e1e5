"""One `generate`: each sequence is a row by itself, and its report stands where the response has it."""

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from vllm.sampling_params import SamplingParams

from server.budget.plan import UNGOVERNED, Plan
from server.budget.steering import Steering
from server.engine.client.call import Call
from server.engine.worker.row_registry import PLAN_KEY, ROW_KEY
from tests.server.budget.plans import END, STOP, plan
from tests.server.engine.client.running import Case

ALPHA = replace(plan(), steering=Steering(alpha_tokens=50, paragraph_ends=frozenset({3}), seed=7))


def test_each_choice_is_a_row_of_its_own() -> None:
    case = Case(n=3)
    for index in range(3):
        case.admit(index)
    assert [_extra(case.sent[index])[ROW_KEY] for index in range(3)] == ["row-0", "row-1", "row-2"]


def test_what_is_drawn_is_drawn_for_each_choice_by_itself() -> None:
    """The first keeps the request's own plan, which vLLM's shared parameters have."""
    case = Case(n=3, given=ALPHA)
    for index in range(3):
        case.admit(index)
    assert PLAN_KEY not in _extra(case.sent[0])
    seeds = [Plan.from_wire(_extra(case.sent[index])[PLAN_KEY]).steering.seed for index in (1, 2)]
    assert seeds == [8, 9]
    assert len({Random(f"{seed} 0").random() for seed in (7, *seeds)}) == 3


def test_sequence_that_no_budget_holds_on_goes_to_the_engine_as_it_is() -> None:
    case = Case(n=1, given=UNGOVERNED, is_planned=False)
    assert case.admit(0).row_id is None
    assert _extra(case.sent[0]) == {}


@pytest.mark.parametrize("first_choice", [0, 4])
async def test_reports_stand_by_the_responses_own_index(first_choice: int) -> None:
    """/v1/completions takes several prompts: the second one's choices follow those of the first."""
    case = Case(first_choice=first_choice, call=Call(detail=True))
    case.admit(0, 1, END, 4, STOP)
    case.admit(1, 1, 2)
    await case.report(0, (1, END, 4, STOP), "stop")
    await case.report(1, (1, 2))
    assert {at: report.tokens for at, report in case.call.reports.items()} == {first_choice: 1}
    assert {at: report.tokens for at, report in case.call.progress.items()} == {first_choice + 1: 2}


async def test_without_detail_nothing_is_reported_on_the_way() -> None:
    case = Case(n=1)
    case.admit(0, 1, 2)
    await case.report(0, (1, 2))
    assert (case.call.progress, case.workers.peeked) == ({}, [])


async def test_response_says_nothing_of_thinking_where_no_budget_holds() -> None:
    case = Case(n=1, given=UNGOVERNED, is_planned=False)
    case.admit(0, 1, STOP)
    await case.report(0, (1, STOP), "stop")
    assert case.call.reports == {}


def _extra(params: SamplingParams) -> dict[str, Any]:
    return dict(params.extra_args or {})
