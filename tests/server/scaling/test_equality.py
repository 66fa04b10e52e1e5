"""Equal answers are equal by rule where a rule can tell; mathematics is asked only where it must be."""

import asyncio

import pytest

from server.reasoning.answers import settle_same
from server.reasoning.grading.pool import GradingPool, Verdict
from server.scaling.equality import Equality, ballot


@pytest.mark.parametrize(
    ("one", "other", "settled"),
    [
        ("17", "17.", True),
        ("1,024", "1024", True),
        ("17", "19", False),
        ("B", "(B)", True),
        ("B", "C", False),
        ("blue", "Blue", True),
        ("blue", "red", False),
        ("the answer is that 3 of them are", "x" * 501, False),
        (r"\frac{1}{2}", "0.5", None),
        ("17", "x = 17", None),
        ("17", "seventeen", False),
    ],
)
def test_what_the_rules_settle(one: str, other: str, settled: bool | None) -> None:
    assert settle_same(one, other) is settled
    assert settle_same(other, one) is settled


@pytest.mark.parametrize(
    ("answer", "vote"),
    [
        ("So it is.\n\nFinal Answer: 17", "17"),
        (r"Thus \boxed{x^2} is it.", "x^2"),
        (" blue ", "blue"),
        ("", None),
        (" \n", None),
    ],
)
def test_what_an_answer_votes_for(answer: str, vote: str | None) -> None:
    assert ballot(answer) == vote


class CountingJudge:
    """Says the same of every pair."""

    def __init__(self, right: bool | None) -> None:
        self.right = right
        self.asked: list[tuple[str, str]] = []

    async def equal(self, gold: str, predicted: str, /) -> Verdict:
        await asyncio.sleep(0)
        self.asked.append((gold, predicted))
        return Verdict(self.right, "" if self.right is not None else "no verdict")


async def test_a_pair_is_asked_once() -> None:
    judge = CountingJudge(True)
    equality = Equality(judge)
    assert await equality.same("1/2", "0.5")
    assert await equality.same("0.5", "1/2")
    assert len(judge.asked) == 1


async def test_a_pair_that_cannot_be_compared_is_different_and_counted() -> None:
    equality = Equality(CountingJudge(None))
    assert not await equality.same("1/2", "0.5")
    assert equality.failures == 1


async def test_expressions_are_compared_by_math_verify() -> None:
    async with GradingPool(1) as pool:
        equality = Equality(pool)
        assert await equality.same(r"\frac{1}{2}", "0.5")
        assert await equality.same("(x+1)^2", "x^2+2x+1")
        assert not await equality.same(r"\frac{1}{3}", "0.5")
        assert equality.failures == 0
