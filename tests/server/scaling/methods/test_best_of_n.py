"""Best of n: the scorer's favourite; the first of equals; likelihood only by name."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from server.budget.budget import BudgetError
from server.scaling.methods.best_of_n import BestOfNFields, best_of_n
from server.scaling.request import ScalingDefaults, read_scaling
from server.scaling.scorers.likelihood import Likelihood
from server.scaling.scorers.scorer import Scorable, ScorerError, ScorerUsage
from tests.server.scaling.scripted import ScriptedSampler, Told, answers, context


class Listed:
    """A scorer that has its scores from a list."""

    name = "listed"
    wants_logprobs = False

    def __init__(self, *scores: float) -> None:
        self.scores = list(scores)
        self.usage = ScorerUsage(1, 12)
        self.saw: list[Scorable] = []

    async def score(self, candidates: Sequence[Scorable]) -> list[float]:
        self.saw += candidates
        return self.scores


async def test_the_best_scored_sample_is_the_answer() -> None:
    scorer = Listed(0.1, 0.9, 0.9, 0.3)
    source = answers("1", "2", "3", "4")
    outcome = await best_of_n(BestOfNFields(n=4), replace(context(source), scorer=scorer))
    assert outcome.chosen.index == 1
    assert outcome.report["scores"] == scorer.scores
    assert outcome.report["scorer"] == {"name": "listed", "calls": 1, "tokens": 12}
    assert [each.answer for each in scorer.saw] == [f"Final Answer: {n}" for n in range(1, 5)]
    assert all(ask.logprobs is None for ask in source.asks)


async def test_the_scorer_gets_the_thinking_as_well_and_whether_it_has_ended() -> None:
    scorer = Listed(0.1, 0.9)
    source = ScriptedSampler(lambda _, index: Told("Final Answer: 7" if index else "", thinking="so 7"))
    await best_of_n(BestOfNFields(n=2), replace(context(source), scorer=scorer))
    cut, whole = scorer.saw
    assert (cut.steps, cut.is_ended, cut.answer) == (("so 7",), False, "")
    assert (whole.steps, whole.is_ended, whole.answer) == (("so 7",), True, "Final Answer: 7")


async def test_the_likelihood_is_of_the_tokens_the_model_chose() -> None:
    logprobs = [(-3.0, -1.0), (-0.5,) * 9, (-1.0, -1.0)]
    source = ScriptedSampler(lambda _, index: Told("Final Answer: 1", turns=1, logprobs=logprobs[index]))
    outcome = await best_of_n(BestOfNFields(n=3), replace(context(source), scorer=Likelihood()))
    assert outcome.chosen.index == 1
    assert outcome.report["scores"] == pytest.approx([0.1353, 0.6065, 0.3679], abs=1e-4)
    assert all(ask.logprobs == 0 for ask in source.asks)


async def test_a_scorer_that_fails_is_an_error() -> None:
    class Down(Listed):
        async def score(self, candidates: Sequence[Scorable]) -> list[float]:
            raise ScorerError(f"it is down for {len(candidates)}")

    with pytest.raises(ScorerError, match="it is down for 2"):
        await best_of_n(BestOfNFields(n=2), replace(context(answers("1", "2")), scorer=Down()))


def named(scorer: str | None, *known: str) -> str | None:
    body = {"scaling": {"method": "best_of_n", "n": 2, **({} if scorer is None else {"scorer": scorer})}}
    wanted = read_scaling(body, ScalingDefaults(scorers=known))
    assert wanted is not None
    return wanted.scorer


def test_the_only_scorer_need_not_be_named() -> None:
    assert named(None, "rm") == "rm"
    assert named("rm", "rm", "judge") == "rm"
    assert named("likelihood") == "likelihood"
    assert named("likelihood", "rm") == "likelihood"


@pytest.mark.parametrize(
    ("scorer", "known", "why"),
    [
        (None, (), "the server has none"),
        (None, ("rm", "judge"), "name one of rm, judge, likelihood"),
        ("vibes", ("rm",), "must be one of rm, likelihood"),
        ("http://evil", (), "must be one of likelihood"),
    ],
)
def test_a_scorer_that_is_not_there_is_refused_and_never_replaced(
    scorer: str | None, known: tuple[str, ...], why: str
) -> None:
    with pytest.raises(BudgetError, match=why) as caught:
        named(scorer, *known)
    assert caught.value.field == "scaling.scorer"
