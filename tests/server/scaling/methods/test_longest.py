"""Longest: the samples with the most thinking vote."""

import pytest
from pydantic import ValidationError

from server.budget.budget import BudgetError
from server.scaling.methods.longest import LongestFields, longest
from tests.server.scaling.scripted import ScriptedSampler, Told, context

LENGTHS, ANSWERS = (5, 9, 30, 20, 31), ("1", "1", "2", "3", "2")


def source(answers: tuple[str, ...] = ANSWERS) -> ScriptedSampler:
    return ScriptedSampler(lambda _, at: Told(f"Final Answer: {answers[at]}", turns=LENGTHS[at]))


async def test_the_m_longest_vote() -> None:
    outcome = await longest(LongestFields(n=5, m=3), context(source()))
    assert outcome.chosen.answer == "Final Answer: 2"
    assert outcome.chosen.thinking_tokens == 31
    assert outcome.report["votes"] == [
        {"answer": "2", "votes": 2, "samples": [4, 2]},
        {"answer": "3", "votes": 1, "samples": [3]},
    ]


async def test_m_is_one_unless_it_is_said() -> None:
    outcome = await longest(LongestFields(n=4), context(source()))
    assert outcome.chosen.thinking_tokens == 30


async def test_of_equally_many_votes_the_longest_thinking_wins() -> None:
    outcome = await longest(LongestFields(n=5, m=2), context(source(("1", "1", "2", "3", "4"))))
    assert outcome.chosen.answer == "Final Answer: 4"


async def test_a_sample_without_an_answer_has_no_vote_but_is_shown_where_none_has() -> None:
    said = ScriptedSampler(lambda _, at: Told("", turns=LENGTHS[at]))
    outcome = await longest(LongestFields(n=3, m=2), context(said))
    assert outcome.chosen.thinking_tokens == 30
    assert outcome.report["votes"] == []


async def test_the_total_is_shared_out() -> None:
    asked = source()
    await longest(LongestFields(n=4, total_tokens=40), context(asked))
    assert [entry.thinking_tokens for entry in asked.usage.entries] == [5, 9, 10, 10]
    with pytest.raises(BudgetError, match="too small"):
        await longest(LongestFields(n=4, total_tokens=3), context(source()))


def test_m_above_n_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"m \(3\) is above n \(2\)"):
        LongestFields(n=2, m=3)
