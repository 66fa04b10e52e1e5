"""Beyond the context: summed up where the window ends, gone on from the sum in a fresh one, rounds
bounded."""

import pytest

from server.budget.budget import BudgetError, ThinkingBudget
from server.scaling.method import MethodResult
from server.scaling.methods.beyond_context import GO_ON, SUM_UP, BeyondContextFields, beyond_context
from server.scaling.request import ScalingDefaults, budget_body, read_scaling
from server.scaling.samples import Ask, AskKind
from tests.server.scaling.scripted import FAMILY, ScriptedSampler, Told, context, decode

CLOSE = 1 + len(FAMILY.family.cue)
"""The delimiter and the cue, one token a character."""


def script(*steps: str) -> ScriptedSampler:
    """What each step comes to: a "|" at its end says that the window was full, a "!" that thinking ended."""
    left = iter(steps)

    def tell(ask: Ask, _: int) -> Told:
        if ask.kind is not AskKind.STEP:
            return Told("Final Answer: 7")
        text = next(left)
        return Told(thinking=text.rstrip("|"), is_ended=text.endswith("!"), is_cramped=text.endswith("|"))

    return ScriptedSampler(tell)


async def run(source: ScriptedSampler, **fields: object) -> MethodResult:
    return await beyond_context(BeyondContextFields.model_validate(fields), context(source))


def steps(source: ScriptedSampler) -> list[str]:
    return [decode(ask.prefix) for ask in source.asks if ask.kind is AskKind.STEP]


async def test_thinking_within_one_window_is_as_ever() -> None:
    source = script("so!")
    outcome = await run(source)
    assert outcome.report == {"rounds": 1}
    assert outcome.chosen.thinking == "so!"
    assert outcome.chosen.end == "natural"


async def test_a_full_window_is_summed_up_and_the_next_begins_with_the_sum() -> None:
    source = script("one|", "it is 3", "two!")
    outcome = await run(source)
    assert steps(source) == ["", f"one{SUM_UP}", f"{GO_ON}it is 3\n"]
    assert outcome.report == {"rounds": 2}
    assert outcome.chosen.thinking == f"one{SUM_UP}it is 3two!"
    assert outcome.chosen.end == "natural"
    assert decode(source.asks[-1].prefix) == f"{GO_ON}it is 3\ntwo!</think>"


async def test_rounds_are_bounded_and_then_thinking_is_closed() -> None:
    source = script("one|", "sum", "two|", "sum", "three|")
    outcome = await run(source, rounds=3)
    assert outcome.report == {"rounds": 3}
    assert outcome.chosen.end == "context"
    last = source.asks[-1]
    assert last.budget is not None
    assert last.budget.max_tokens == 0


async def test_a_sum_that_ends_its_thinking_is_still_a_sum() -> None:
    source = script("one|", "it is 3!", "two!")
    await run(source)
    assert steps(source)[-1] == f"{GO_ON}it is 3!\n"


async def test_room_is_kept_for_the_sum_and_the_answer() -> None:
    source = script("one!")
    source.budget = ThinkingBudget(answer_reserve_tokens=100)
    await run(source, summary_tokens=50)
    step = source.asks[0].step
    assert step is not None
    assert step.reserve == 100 + CLOSE + 50 + len(SUM_UP)


async def test_the_sum_is_bounded_and_has_only_the_answers_reserve_behind_it() -> None:
    source = script("one|", "it is 3", "two!")
    source.budget = ThinkingBudget(answer_reserve_tokens=100)
    await run(source, summary_tokens=50)
    step = source.asks[1].step
    assert step is not None
    assert (step.max_tokens, step.reserve) == (50, 100 + CLOSE)


async def test_a_window_can_be_smaller_than_the_context() -> None:
    source = script("one", "sum", "two", "sum", "three")
    outcome = await run(source, rounds=3, window=4)
    assert outcome.report == {"rounds": 3}
    bounds = [ask.step.max_tokens for ask in source.asks if ask.step is not None]
    assert bounds == [4, 512, 4, 512, 4]


async def test_a_window_that_is_full_with_its_first_token_is_the_last() -> None:
    source = script("1|")
    assert (await run(source)).report == {"rounds": 1}
    source = script("one|", "sum", "2|")
    assert (await run(source)).report == {"rounds": 2}


async def test_the_maximum_is_of_all_windows_together() -> None:
    source = script("one|", "sum", "two|")
    source.budget = ThinkingBudget(max_tokens=len("one" + SUM_UP + "sum" + "two"))
    outcome = await run(source, summary_tokens=3)
    assert outcome.chosen.end == "max_tokens"
    assert outcome.chosen.thinking_tokens == source.budget.max_tokens


async def test_a_maximum_without_room_for_a_sum_leaves_the_thinking_as_it_stands() -> None:
    source = script("one|")
    source.budget = ThinkingBudget(max_tokens=len("one" + SUM_UP + "sum"))
    outcome = await run(source, summary_tokens=3)
    assert outcome.report == {"rounds": 1}
    assert outcome.chosen.end == "context"


async def test_what_it_says_for_the_model_is_reported_as_forced() -> None:
    outcome = await run(script("one|", "sum", "two!"))
    assert outcome.chosen.report is not None
    assert outcome.chosen.report.forced_tokens == len(SUM_UP)


def test_it_is_also_a_field_of_the_budget() -> None:
    body = {"thinking_budget": {"beyond_context": "summarize", "max_tokens": 9}}
    wanted = read_scaling(body, ScalingDefaults())
    assert wanted is not None
    assert wanted.name == "beyond_context"
    assert budget_body(body) == {"thinking_budget": {"max_tokens": 9}}
    assert budget_body({"thinking_budget": {"beyond_context": "summarize"}}) == {}
    assert budget_body({"thinking_budget": "auto", "scaling": 1, "n": 1}) == {"n": 1}
    assert budget_body({"thinking_budget": 7}) == {"thinking_budget": 7}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"thinking_budget": {"beyond_context": "forget"}}, "thinking_budget.beyond_context"),
        ({"thinking_budget": {"beyond_context": True}}, "thinking_budget.beyond_context"),
        ({"thinking_budget": {"beyond_context": "summarize"}, "scaling": {"method": "auto"}}, "scaling"),
        ({"thinking_budget": "auto", "scaling": {"method": "auto"}}, "scaling"),
    ],
)
def test_a_mistake_in_it_is_told(body: dict[str, object], field: str) -> None:
    with pytest.raises(BudgetError) as caught:
        read_scaling(body, ScalingDefaults())
    assert caught.value.field == field


@pytest.mark.parametrize("name", ["auto", "beyond_context"])
def test_what_a_budget_can_ask_for_needs_no_temperature(name: str) -> None:
    wanted = read_scaling({"scaling": {"method": name}, "temperature": 0}, ScalingDefaults())
    assert wanted is not None
