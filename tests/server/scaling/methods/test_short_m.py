"""short-m@k: the first m to finish thinking vote, the rest are aborted, ties go to the shortest thinking."""

import pytest
from pydantic import ValidationError

from server.budget.budget import BudgetError
from server.scaling.methods.short_m import ShortMFields, short_m
from tests.server.scaling.scripted import ScriptedSampler, Told, context


def samples(*told: tuple[int, str], answer_turns: int = 1) -> ScriptedSampler:
    """(thinking tokens, answer) of each."""
    return ScriptedSampler(
        lambda _, index: Told(
            f"Final Answer: {told[index][1]}", turns=told[index][0], answer_turns=answer_turns
        )
    )


async def test_the_first_m_to_finish_thinking_vote_and_the_others_are_aborted() -> None:
    source = samples((90, "1"), (10, "2"), (80, "1"), (12, "2"), (11, "3"))
    outcome = await short_m(ShortMFields(n=5, m=3), context(source))
    assert outcome.chosen.index == 1
    assert [entry.state.value for entry in source.usage.entries] == [
        "aborted",
        "done",
        "aborted",
        "done",
        "done",
    ]
    # Aborted when the third had thought its 12 tokens, not later.
    assert max(entry.thinking_tokens for entry in source.usage.entries) <= 14


async def test_those_who_finished_thinking_may_finish_their_answers() -> None:
    source = samples((5, "7"), (60, "8"), answer_turns=200)
    outcome = await short_m(ShortMFields(n=2, m=1), context(source))
    assert outcome.chosen.answer == "Final Answer: 7"
    assert source.usage.entries[0].state.value == "done"
    assert source.usage.entries[1].state.value == "aborted"


async def test_a_tie_goes_to_the_shortest_thinking() -> None:
    source = samples((30, "1"), (20, "2"), (10, "3"), (40, "1"), (25, "3"))
    outcome = await short_m(ShortMFields(n=5, m=5), context(source))
    assert outcome.chosen.answer == "Final Answer: 3"  # 1 and 3 have two votes each
    source = samples((30, "1"), (20, "2"))
    outcome = await short_m(ShortMFields(n=2, m=2), context(source))
    assert outcome.chosen.index == 1


async def test_a_total_is_shared_out() -> None:
    source = samples((90, "1"), (90, "1"), (90, "1"), (90, "1"))
    await short_m(ShortMFields(n=4, m=4, total_tokens=200), context(source))
    assert [entry.thinking_tokens for entry in source.usage.entries] == [50] * 4
    with pytest.raises(BudgetError, match="too small for 4 samples"):
        await short_m(ShortMFields(n=4, m=4, total_tokens=3), context(source))


async def test_when_one_fails_its_error_comes_out_and_the_others_are_aborted() -> None:
    source = ScriptedSampler(
        lambda _, index: Told(turns=2, error=OSError("gone")) if index == 1 else Told(turns=500)
    )
    with pytest.raises(OSError, match="gone"):
        await short_m(ShortMFields(n=3, m=2), context(source))
    assert [entry.state.value for entry in source.usage.entries] == ["aborted", "failed", "aborted"]


def test_m_above_n_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"m \(4\) is above n \(3\)"):
        ShortMFields(n=3, m=4)
