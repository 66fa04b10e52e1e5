"""MCTS: bounded by its total, follows the scorer, answers the best finished chain, and reports its tree."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from pydantic import ValidationError

from server.budget.budget import ThinkingBudget
from server.scaling.method import MethodContext, MethodResult
from server.scaling.methods.mcts import MctsFields, mcts
from server.scaling.samples import Ask, AskKind
from server.scaling.scorers.scorer import Scorable, ScorerUsage
from tests.server.scaling.scripted import ScriptedSampler, Told, context, decode


class Good:
    """A process reward model that knows the right path: it likes every "r" in it."""

    name = "good"
    wants_logprobs = False

    def __init__(self) -> None:
        self.usage = ScorerUsage()

    async def score(self, candidates: Sequence[Scorable]) -> list[float]:
        """The share of steps that are right."""
        return [sum("r" in step for step in each.steps) / len(each.steps) for each in candidates]


def model(depth: int = 4) -> ScriptedSampler:
    """Every third step is right; after `depth` steps thinking ends. Each step thinks for 4 tokens."""
    asked = iter(range(10**6))

    def tell(ask: Ask, _: int) -> Told:
        thought = decode(ask.prefix).replace("</think>", "")
        if ask.kind is AskKind.STEP:
            steps = thought.count("\n\n")
            letter = "r" if next(asked) % 3 == 0 else "w"
            text = f"{letter}{steps}\n\n"
            limit = ask.step.max_tokens if ask.step and ask.step.max_tokens else len(text)
            return Told(thinking=text[:limit], is_ended=limit >= len(text) and steps + 1 == depth)
        return Told(f"Final Answer: {thought.count('r')}")

    return ScriptedSampler(tell)


async def searched(fields: MctsFields, source: ScriptedSampler) -> MethodResult:
    given: MethodContext = replace(context(source), scorer=Good())
    return await mcts(fields, given)


async def test_finds_the_path_that_the_scorer_likes() -> None:
    source = model()
    outcome = await searched(MctsFields(width=4, children=2, total_tokens=400, step_tokens=8), source)
    assert outcome.chosen.answer == "Final Answer: 4"
    assert outcome.chosen.end == "natural"
    tree = outcome.report["tree"]
    assert tree[outcome.report["chosen"] - 1]["score"] == 1.0


async def test_a_finished_chain_that_is_good_enough_ends_the_search() -> None:
    fields = MctsFields(width=2, total_tokens=400, step_tokens=8)
    whole = await searched(fields, model())
    scores = [node["score"] for node in whole.report["tree"] if node["end"] is not None]
    assert len(scores) > 2
    early = await searched(fields.model_copy(update={"accept": scores[0]}), model())
    nodes = early.report["tree"]
    assert [node["score"] for node in nodes if node["end"] is not None][:1] == scores[:1]
    assert len(nodes) < len(whole.report["tree"])
    assert nodes[early.report["chosen"] - 1]["score"] >= scores[0]
    never = await searched(fields.model_copy(update={"accept": 2.0}), model())
    assert never.report["tree"] == whole.report["tree"]


@pytest.mark.parametrize("total", [1, 7, 8, 20, 63, 200])
@pytest.mark.parametrize("width", [1, 2, 5])
async def test_all_steps_together_think_for_no_more_than_the_total(total: int, width: int) -> None:
    source = model()
    fields = MctsFields(width=width, children=min(2, width), total_tokens=total, step_tokens=8)
    await searched(fields, source)
    limits = [ask.step.max_tokens for ask in source.asks if ask.step is not None]
    assert None not in limits
    usage = sum(entry.thinking_tokens for entry in source.usage.entries if entry.kind is AskKind.STEP)
    assert usage <= total
    assert limits[0] is not None
    assert limits[0] <= total


async def test_rounds_stay_wide_while_the_usual_step_fits_however_long_one_may_be() -> None:
    outcome = await searched(MctsFields(width=4, total_tokens=96, step_tokens=32), model(depth=40))
    # 3 of up to 32 tokens, which think for 4 each; five rounds of 4 steps; with the last 4 tokens one step.
    assert (outcome.report["rounds"], outcome.report["steps"]) == (7, 24)


async def test_steps_that_think_nothing_come_to_an_end() -> None:
    def tell(ask: Ask, _: int) -> Told:
        return Told(thinking="", is_ended=True) if ask.kind is AskKind.STEP else Told("Final Answer: 0")

    source = ScriptedSampler(tell)
    outcome = await searched(MctsFields(width=2, total_tokens=10, step_tokens=4), source)
    assert outcome.report["steps"] <= 10


async def test_a_chain_that_has_ended_is_not_grown_on() -> None:
    source = model(depth=1)
    outcome = await searched(MctsFields(width=2, total_tokens=64, step_tokens=8), source)
    prefixes = {decode(ask.prefix) for ask in source.asks if ask.kind is AskKind.STEP}
    assert prefixes == {""}
    assert {node["parent"] for node in outcome.report["tree"]} == {0}


async def test_at_the_depth_limit_a_chain_is_a_leaf_and_is_closed_to_be_answered() -> None:
    source = model(depth=50)
    outcome = await searched(MctsFields(width=2, depth=2, total_tokens=64, step_tokens=8), source)
    assert outcome.chosen.end == "depth"
    answer = source.asks[-1]
    assert answer.kind is AskKind.ANSWER
    assert answer.budget is not None
    assert answer.budget.max_tokens == 0


async def test_where_no_thinking_has_ended_the_best_open_chain_is_closed() -> None:
    source = model(depth=50)
    outcome = await searched(MctsFields(width=2, total_tokens=12, step_tokens=4), source)
    assert all(node["end"] is None for node in outcome.report["tree"])
    assert outcome.chosen.end == "max_tokens"
    scores = [node["score"] for node in outcome.report["tree"]]
    assert scores[outcome.report["chosen"] - 1] == max(scores)


async def test_nothing_is_grown_after_thinking_was_ended_from_outside() -> None:
    def tell(ask: Ask, index: int) -> Told:
        if ask.kind is AskKind.STEP:
            return Told(thinking="w", is_ended=index == 3, end="requested")
        return Told("Final Answer: 0")

    source = ScriptedSampler(tell)
    await searched(MctsFields(width=2, total_tokens=10_000, step_tokens=8), source)
    assert sum(ask.kind is AskKind.STEP for ask in source.asks) == 4


async def test_the_budget_s_maximum_is_each_chain_s() -> None:
    source = model(depth=50)
    source.budget = ThinkingBudget(max_tokens=8)
    outcome = await searched(MctsFields(width=2, total_tokens=100, step_tokens=8), source)
    assert max(node["thinking_tokens"] for node in outcome.report["tree"]) <= 8
    assert outcome.chosen.end == "max_tokens"


async def test_the_steps_of_a_round_are_asked_for_at_once_and_share_their_prefix() -> None:
    source = model()
    outcome = await searched(MctsFields(width=6, children=3, total_tokens=100, step_tokens=4), source)
    assert outcome.report["rounds"] < outcome.report["steps"] / 3
    steps = [ask.prefix for ask in source.asks if ask.kind is AskKind.STEP]
    assert steps[0] == steps[1] == steps[2]


async def test_the_tree_in_the_report_is_the_one_that_was_searched() -> None:
    outcome = await searched(MctsFields(width=3, children=1, total_tokens=60, step_tokens=8), model())
    tree = outcome.report["tree"]
    assert len(tree) < outcome.report["steps"] == sum(node["visits"] for node in tree if node["parent"] == 0)
    for at, node in enumerate(tree, 1):
        below = sum(other["visits"] for other in tree if other["parent"] == at)
        assert node["visits"] > below
        assert node["parent"] < at


async def test_a_step_that_is_drawn_again_is_a_visit_and_no_second_node() -> None:
    source = ScriptedSampler(
        lambda ask, _: Told(thinking="same\n\n" if ask.kind is AskKind.STEP else "", answer="7")
    )
    fields = MctsFields(width=3, children=3, total_tokens=90, step_tokens=8)
    outcome = await searched(fields, source)
    tree = outcome.report["tree"]
    assert [node["parent"] for node in tree] == list(range(len(tree)))
    assert tree[0]["visits"] == outcome.report["steps"] > 3 * (len(tree) - 1)


def test_more_children_than_width_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"children \(3\) is above width \(2\)"):
        MctsFields(width=2, children=3, total_tokens=10)
