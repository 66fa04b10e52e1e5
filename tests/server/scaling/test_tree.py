"""Tree search: REBASE shares the width out by score and lets the ends vote; beams keep the best."""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import pytest
from pydantic import ValidationError

from server.scaling.method import Fields, MethodContext, MethodResult
from server.scaling.methods.beam import BeamFields, beam
from server.scaling.methods.rebase import RebaseFields, rebase, shared
from server.scaling.samples import Ask, AskKind
from server.scaling.scorers.scorer import Scorable, ScorerUsage
from tests.server.scaling.scripted import ScriptedSampler, Told, context, decode


class Letters:
    """A process reward model that likes some letters."""

    name = "letters"
    wants_logprobs = False
    likes: ClassVar = {"a": 0.9, "b": 0.5, "c": 0.1, "x": 0.95, "y": 0.2}

    def __init__(self) -> None:
        self.usage = ScorerUsage()
        self.saw: list[tuple[str, ...]] = []
        self.ended: list[bool] = []

    async def score(self, candidates: Sequence[Scorable]) -> list[float]:
        self.saw += [each.steps for each in candidates]
        self.ended += [each.is_ended for each in candidates]
        return [self.likes[each.steps[-1][0]] for each in candidates]


def grows(rounds: Sequence[str], answers: dict[str, str] | None = None) -> ScriptedSampler:
    """The steps that come, round by round and in order: "abc" are three steps, a capital X is an x that
    ends its line. A line's answer is by its text, else "0"."""
    steps = iter("".join(rounds))

    def tell(ask: Ask, _: int) -> Told:
        if ask.kind is AskKind.STEP:
            letter = next(steps)
            return Told(thinking=letter.lower() + "\n\n", is_ended=letter.isupper())
        thought = decode(ask.prefix).partition("</think>")[0].replace("\n", "")
        return Told(f"Final Answer: {(answers or {}).get(thought, '0')}")

    return ScriptedSampler(tell)


def with_letters(source: ScriptedSampler) -> MethodContext:
    return replace(context(source), scorer=Letters())


def prefixes(source: ScriptedSampler, kind: AskKind = AskKind.STEP) -> list[str]:
    return [decode(ask.prefix).replace("\n", "") for ask in source.asks if ask.kind is kind]


async def searched(fields: Fields, source: ScriptedSampler) -> MethodResult:
    run = beam if isinstance(fields, BeamFields) else rebase
    return await run(fields, with_letters(source))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("scores", "width", "temperature", "shares"),
    [
        ([0.9, 0.5, 0.1], 8, 0.2, [7, 1, 0]),
        ([0.9, 0.5, 0.1], 8, 1e9, [3, 3, 2]),
        ([0.9, 0.5, 0.1], 8, 1e-6, [8, 0, 0]),
        ([0.5, 0.5], 4, 0.2, [2, 2]),
        ([0.5, 0.5, 0.5], 4, 0.2, [2, 1, 1]),
        ([0.3], 5, 0.2, [5]),
        ([1000.0, -1000.0], 3, 0.2, [3, 0]),
    ],
)
def test_the_width_is_shared_out_by_the_softmax_of_the_scores(
    scores: list[float], width: int, temperature: float, shares: list[int]
) -> None:
    assert shared(scores, width, temperature) == shares


async def test_the_scorer_is_told_which_lines_have_ended() -> None:
    given = with_letters(grows(["aX", "bY"]))
    await rebase(RebaseFields(width=2), given)
    assert isinstance(given.scorer, Letters)
    assert given.scorer.ended[:2] == [False, True]


async def test_rebase_grows_the_lines_that_promise_most() -> None:
    source = grows(["abc", "XXX"])
    await searched(RebaseFields(width=3, temperature=0.2), source)
    # exp(0.9/0.2) : exp(0.5/0.2) : exp(0.1/0.2), of three: 3 * 0.87 rounded up leaves none.
    assert prefixes(source) == ["", "", "", "a", "a", "a"]
    source = grows(["abc", "XXX"])
    await searched(RebaseFields(width=3, temperature=1e9), source)
    assert prefixes(source) == ["", "", "", "a", "b", "c"]


async def test_a_line_that_ended_takes_its_place_out_of_the_width() -> None:
    source = grows(["Xab", "Xb", "X"])
    outcome = await searched(RebaseFields(width=3, temperature=1e9), source)
    assert prefixes(source) == ["", "", "", "a", "b", "bb"]
    assert outcome.report["rounds"] == 3
    assert outcome.report["steps"] == 6
    assert [line["steps"] for line in outcome.report["lines"]] == [1, 2, 3]


async def test_the_ends_vote_and_the_best_scored_of_the_winners_is_shown() -> None:
    source = grows(["abc", "YXY"], {"ay": "5", "bx": "5", "cy": "7"})
    outcome = await searched(RebaseFields(width=3, temperature=1e9), source)
    assert outcome.report["votes"][0]["answer"] == "5"
    assert outcome.chosen.thinking == "b\n\nx\n\n"


async def test_weighted_votes_count_as_much_as_their_score() -> None:
    rounds, said = ["abc", "YXY"], {"ay": "5", "bx": "7", "cy": "5"}
    plain = await searched(RebaseFields(width=3, temperature=1e9), grows(rounds, said))
    weighted = await searched(RebaseFields(width=3, temperature=1e9, weighted=True), grows(rounds, said))
    assert plain.chosen.answer == "Final Answer: 5"
    assert weighted.chosen.answer == "Final Answer: 7"
    assert weighted.report["votes"][0] == {
        "answer": "7",
        "votes": 0.95,
        "samples": [weighted.chosen.index],
    }


async def test_the_scorer_sees_a_line_step_by_step() -> None:
    source = grows(["ab", "XY"])
    given = with_letters(source)
    await rebase(RebaseFields(width=2, temperature=1e9), given)
    scorer = given.scorer
    assert isinstance(scorer, Letters)
    assert scorer.saw == [("a\n\n",), ("b\n\n",), ("a\n\n", "x\n\n"), ("b\n\n", "y\n\n")]


async def test_at_the_depth_limit_the_best_beam_is_closed_and_answered() -> None:
    source = grows(["ab", "ba", "aaaa"])
    outcome = await searched(BeamFields(width=2, depth=2), source)
    assert outcome.chosen.end == "depth"
    assert outcome.report["rounds"] == 2
    assert prefixes(source, AskKind.ANSWER) == ["aa"]


async def test_at_the_depth_limit_the_open_lines_are_closed_and_answered() -> None:
    source = grows(["ab", "ab", "ab"], {"aa": "1"})
    outcome = await searched(RebaseFields(width=2, depth=2, temperature=1e-6), source)
    assert outcome.report["rounds"] == 2
    assert outcome.chosen.end == "depth"
    assert outcome.chosen.answer == "Final Answer: 1"
    (first, _) = [ask for ask in source.asks if ask.kind is AskKind.ANSWER]
    assert first.budget is not None
    assert first.budget.max_tokens == 0


async def test_beam_keeps_the_best_lines_and_answers_the_best_end() -> None:
    source = grows(["abca", "cabX"], {"ax": "9"})
    outcome = await searched(BeamFields(width=4, beams=1), source)
    assert prefixes(source) == [""] * 4 + ["a"] * 4
    assert outcome.chosen.answer == "Final Answer: 9"
    assert prefixes(source, AskKind.ANSWER) == ["ax</think>"]


async def test_beams_share_the_width_and_end_when_as_many_ended() -> None:
    source = grows(["abcX", "bbab", "YXab"], {"x": "1"})
    outcome = await searched(BeamFields(width=4, beams=2), source)
    # One ended in the first round: one beam is left, and has the whole width.
    assert prefixes(source)[:8] == [""] * 4 + ["a"] * 4
    assert outcome.chosen.answer == "Final Answer: 1"


async def test_lines_share_what_they_have_in_common_as_prefixes() -> None:
    source = grows(["ab", "XX"])
    await searched(RebaseFields(width=2, temperature=1e-6), source)
    steps = [ask for ask in source.asks if ask.kind is AskKind.STEP]
    assert steps[2].prefix == steps[3].prefix != ()


def test_more_beams_than_width_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"beams \(3\) is above width \(2\)"):
        BeamFields(width=2, beams=3)
