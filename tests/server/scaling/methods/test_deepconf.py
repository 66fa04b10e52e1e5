"""DeepConf: the confident lines vote with their confidence; with a warm-up the others are stopped early."""

from collections.abc import Sequence

import numpy as np
import pytest
from pydantic import ValidationError

from server.scaling.method import MethodResult
from server.scaling.methods.deepconf import DeepConfFields, deepconf
from server.scaling.samples import Ask, AskKind
from tests.server.scaling.scripted import ScriptedSampler, Told, context, decode


def lines(*told: tuple[str, Sequence[float]]) -> ScriptedSampler:
    """Lines in the order of asking, each an answer and the confidence of its tokens, one character a token.

    The first character of a line's thinking is its number, which later steps of it are known by.
    """
    begun = iter(range(len(told)))

    def tell(ask: Ask, _: int) -> Told:
        thought = decode(ask.prefix).partition("</think>")[0]
        is_empty = ask.kind is AskKind.ANSWER and not thought
        at = int(thought[0]) if thought else 0 if is_empty else next(begun)
        answer, confidences = told[at]
        if ask.kind is AskKind.ANSWER:
            return Told(f"Final Answer: {answer}")
        assert ask.step is not None
        text = (str(at) + "." * len(confidences))[: len(confidences)]
        limit = len(text) if ask.step.max_tokens is None else ask.step.max_tokens
        piece = text[len(thought) :][:limit]
        is_last = len(thought) + len(piece) == len(text)
        own = confidences[len(thought) : len(thought) + len(piece)]
        return Told(thinking=piece, is_ended=is_last, alternatives=tuple({1: -each} for each in own))

    return ScriptedSampler(tell)


async def run(source: ScriptedSampler, **fields: object) -> MethodResult:
    return await deepconf(DeepConfFields.model_validate(fields), context(source))


def answered(source: ScriptedSampler) -> list[str]:
    return [decode(ask.prefix)[0] for ask in source.asks if ask.kind is AskKind.ANSWER]


def obvious(told: Sequence[tuple[str, Sequence[float]]], keep: float, window: int) -> str:
    """facebookresearch/deepconf's offline voting with the lowest window, written out."""
    confidences = []
    for _, own in told:
        groups = [sum(own[at : at + window]) / window for at in range(len(own) - window + 1)]
        confidences.append(min(groups) if groups else sum(own) / len(own))
    threshold = float(np.percentile(confidences, 100 - keep))
    votes: dict[str, float] = {}
    for (answer, _), confidence in zip(told, confidences, strict=True):
        if confidence >= threshold:
            votes[answer] = votes.get(answer, 0.0) + confidence
    return max(votes, key=lambda answer: votes[answer])


TOLD: list[tuple[str, Sequence[float]]] = [
    ("3", [5, 5, 1, 1]),
    ("3", [2, 2, 2]),
    ("3", [2, 1, 2]),
    ("7", [6, 6, 4, 4, 9]),
    ("7", [5]),
]


@pytest.mark.parametrize("keep", [10, 40, 60, 90, 100])
@pytest.mark.parametrize("window", [1, 2, 2048])
async def test_the_answer_is_that_of_an_obvious_version(keep: float, window: int) -> None:
    source = lines(*TOLD)
    outcome = await run(source, n=5, keep=keep, window=window)
    assert outcome.chosen.answer == f"Final Answer: {obvious(TOLD, keep, window)}"


async def test_only_the_lines_that_are_kept_are_answered() -> None:
    source = lines(*TOLD)
    outcome = await run(source, n=5, keep=40, window=2)
    assert answered(source) == ["3", "4"]
    assert [each["confidence"] for each in outcome.report["lines"]] == [1.0, 2.0, 1.5, 4.0, 5.0]
    assert outcome.report["votes"] == [{"answer": "7", "votes": 9, "samples": [5, 6]}]
    assert outcome.report["threshold"] == pytest.approx(np.percentile([1, 2, 1.5, 4, 5], 60))


async def test_a_vote_weighs_as_much_as_its_confidence() -> None:
    told = [("3", [1.0]), ("3", [1.0]), ("7", [2.5])]
    outcome = await run(lines(*told), n=3, keep=100)
    assert outcome.chosen.answer == "Final Answer: 7"


async def test_after_the_warm_up_a_line_is_stopped_where_a_group_falls_below_its_threshold() -> None:
    told: list[tuple[str, Sequence[float]]] = [
        ("3", [4.0] * 8),
        ("3", [3.0] * 8),
        ("7", [9, 9, 1, 1, 9, 9, 9, 9]),
        ("3", [3.5] * 8),
    ]
    source = lines(*told)
    outcome = await run(source, n=4, warmup=2, keep=100, window=2, every=2)
    assert outcome.report["threshold"] == 3.0
    warm, cool, stopped, kept = outcome.report["lines"]
    assert (stopped["thinking_tokens"], stopped["end"]) == (4, "stopped")
    assert (warm["thinking_tokens"], cool["thinking_tokens"], kept["thinking_tokens"]) == (8, 8, 8)
    assert answered(source) == ["0", "1", "3"]
    spent = sum(entry.thinking_tokens for entry in source.usage.entries if entry.kind is AskKind.STEP)
    assert spent == 8 + 8 + 4 + 8


async def test_a_line_shorter_than_a_window_is_never_stopped() -> None:
    told = [("3", [4.0] * 3), ("7", [1.0] * 3)]
    source = lines(*told)
    outcome = await run(source, n=2, warmup=1, keep=100, window=4, every=1)
    assert [each["end"] for each in outcome.report["lines"]] == ["natural", "natural"]
    assert answered(source) == ["0"]


async def test_lines_without_a_token_have_no_confidence_and_are_answered_all_the_same() -> None:
    source = lines(("3", []), ("3", []))
    outcome = await run(source, n=2)
    assert [each["confidence"] for each in outcome.report["lines"]] == [0.0, 0.0]
    assert outcome.chosen.answer == "Final Answer: 3"


def test_a_warm_up_above_n_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"warmup \(5\) is above n \(4\)"):
        DeepConfFields(n=4, warmup=5)
