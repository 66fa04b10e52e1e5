"""Majority voting: the answer most often given, by the graders' equality; of equals the first; one budget."""

import pytest

from server.budget.budget import BudgetError, ThinkingBudget
from server.scaling.methods.majority import MajorityFields, majority
from tests.server.scaling.scripted import ScriptedSampler, Told, answers, context


async def test_the_answer_most_often_given_wins() -> None:
    outcome = await majority(MajorityFields(n=5), context(answers("3", "17", "5", "17", "11")))
    assert outcome.chosen.index == 1
    assert outcome.report["votes"][0] == {"answer": "17", "votes": 2, "samples": [1, 3]}


async def test_of_equals_the_one_first_given_wins() -> None:
    outcome = await majority(MajorityFields(n=4), context(answers("9", "4", "4", "9")))
    assert outcome.chosen.index == 0


async def test_equal_answers_are_one_vote_however_they_are_written() -> None:
    outcome = await majority(
        MajorityFields(n=5), context(answers("12", "1,024", r"\boxed{1024}", "$1024$", "12"))
    )
    assert outcome.report["votes"][0]["samples"] == [1, 2, 3]


async def test_silence_has_no_vote() -> None:
    said = ["", "", "Final Answer: 5", ""]
    source = ScriptedSampler(lambda _, index: Told(said[index], turns=1))
    outcome = await majority(MajorityFields(n=4), context(source))
    assert outcome.chosen.index == 2
    assert outcome.report["votes"] == [{"answer": "5", "votes": 1, "samples": [2]}]


async def test_when_nobody_answers_the_first_sample_stands() -> None:
    source = ScriptedSampler(lambda *_: Told("", turns=1))
    outcome = await majority(MajorityFields(n=3), context(source))
    assert outcome.chosen.index == 0
    assert outcome.report["votes"] == []


async def test_an_answer_without_a_label_votes_with_all_of_its_text() -> None:
    said = ["Blue.", "red", "blue"]
    source = ScriptedSampler(lambda _, index: Told(said[index], turns=1))
    outcome = await majority(MajorityFields(n=3), context(source))
    assert outcome.report["votes"][0]["samples"] == [0, 2]


async def test_a_total_is_shared_out_to_the_last_token() -> None:
    source = answers("1", "1", "1", thinking_tokens=99)
    await majority(MajorityFields(n=3, total_tokens=100), context(source))
    assert [entry.thinking_tokens for entry in source.usage.entries] == [34, 33, 33]


@pytest.mark.parametrize("end", ["quota", "requested"])
async def test_a_total_buys_no_more_samples_once_thinking_was_ended(end: str) -> None:
    source = ScriptedSampler(lambda *_: Told("Final Answer: 1", turns=5, end=end))
    outcome = await majority(MajorityFields(total_tokens=100), context(source))
    assert outcome.report["n"] == 1


async def test_a_total_does_not_lengthen_the_clients_own_maximum() -> None:
    source = answers("1", "1", thinking_tokens=99)
    source.budget = ThinkingBudget(max_tokens=10)
    await majority(MajorityFields(n=2, total_tokens=100), context(source))
    assert [entry.thinking_tokens for entry in source.usage.entries] == [10, 10]


@pytest.mark.parametrize(("total", "minimum"), [(3, None), (39, 10)])
async def test_a_total_too_small_for_n_is_refused(total: int, minimum: int | None) -> None:
    source = answers("1")
    source.budget = ThinkingBudget(min_tokens=minimum)
    with pytest.raises(BudgetError, match="too small for 4 samples") as caught:
        await majority(MajorityFields(n=4, total_tokens=total), context(source))
    assert caught.value.field == "scaling.total_tokens"
    assert not source.asks


async def test_without_n_a_total_buys_samples_of_natural_length_until_it_is_spent() -> None:
    source = ScriptedSampler(lambda *_: Told("Final Answer: 1", turns=30))
    outcome = await majority(MajorityFields(total_tokens=100), context(source))
    # 30 for the first; the 70 that are left pay for two more; the last 10 for none.
    assert [entry.thinking_tokens for entry in source.usage.entries] == [30, 30, 30]
    assert outcome.report["n"] == 3


async def test_without_n_the_total_is_never_passed() -> None:
    lengths = [10, 80, 80, 80, 80, 80, 80, 80, 80, 80]
    source = ScriptedSampler(lambda _, index: Told("Final Answer: 1", turns=lengths[index]))
    await majority(MajorityFields(total_tokens=100), context(source))
    assert sum(entry.thinking_tokens for entry in source.usage.entries) <= 100


async def test_without_n_the_servers_ceiling_holds() -> None:
    source = ScriptedSampler(lambda *_: Told("Final Answer: 1", turns=1))
    outcome = await majority(MajorityFields(total_tokens=1000), context(source, max_samples=8))
    assert outcome.report["n"] == 8


async def test_when_one_sample_fails_the_others_are_aborted() -> None:
    source = ScriptedSampler(
        lambda _, index: Told(turns=2, error=OSError("gone")) if index == 1 else Told(turns=500)
    )
    with pytest.raises(OSError, match="gone"):
        await majority(MajorityFields(n=3), context(source))
    assert [entry.state.value for entry in source.usage.entries] == ["aborted", "failed", "aborted"]
    assert max(entry.thinking_tokens for entry in source.usage.entries) < 10
