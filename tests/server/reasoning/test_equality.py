"""Equal answers are equal by rule where a rule can tell; mathematics is asked only where it must be."""

import asyncio

import pytest

from server.reasoning.answers import settle_same
from server.reasoning.equality import Equality, ballot, ballots, compare
from server.reasoning.grading.pool import GradingPool, Verdict


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
        (r"\frac{1}{2}", "0.5", True),
        (r"\frac12", "1/2", True),
        (r"\sqrt{4}", "2", None),
        ("0.333333", "1/3", None),
        ("42", "42 dollars", True),
        ("42", "42 km/h", True),
        ("42", "42 years old", True),
        ("5 km", "5 m", False),
        ("5 km", "5 kilometers", True),
        (r"5 \text{ cm}", r"5 \text{ cm}^2", False),
        ("60 mph", "60 miles per hour", True),
        ("60 mph", "60 km/h", False),
        ("7 p.m.", "7 a.m.", False),
        (r"\$5", r"5\%", False),
        ("€5", "$5", False),
        (r"90^\circ", "90 degrees", True),
        (r"4\sqrt{13} cm", r"4\sqrt{13} \text{ m}", False),
        ("2516_8", "2516_7", False),
        (r"2516_{\text{eight}}", "2516_8", True),
        ("2516_8", "2516", True),
        ("10", r"10 \text{ million}", False),
        ("10,000,000", r"10 \text{ million USD}", True),
        ("5%", "0.05", None),
        ("x - 1", "x", None),
        ("(a, b)", "(a, c)", None),
        (r"\Delta", r"\delta", None),
        ("17", "x = 17", None),
        ("17", "seventeen", False),
        ("24", "24 apples", True),
        ("24", r"24\text{apples}", True),
        ("24", r"24\,\text{apples}", True),
        ("24", r"24\,km", True),
        ("24", "24km", True),
        ("24", "24-apples", True),
        ("24abc", "24xyz", None),
        ("$6xyz$", "6", None),
        ("-2abc", "-2", None),
        (r"6\,xyz", "6", None),
        (r"\frac12\ xyz", "1/2", None),
        (r"6\cdot10^3xyz", "6000", None),
        ("24xyz apples", "24", None),
        (r"24 \cdot abc", "24", None),
        ("24(abc)", "24", None),
        (r"5 N \cdot m", "5 N*m", True),
        ("5 dollars/person", "$5", True),
        ("24 (apples)", "24", True),
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


def test_replies_that_name_no_answer_vote_only_among_themselves() -> None:
    assert ballots(["cut short while it", "Final Answer: 3", ""]) == [None, "3", None]
    assert ballots(["It is a long text.", "", "Another long text."]) == [
        *("It is a long text.", None, "Another long text.")
    ]


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
    assert await equality.same(r"\sqrt{4}", "2")
    assert await equality.same("2", r"\sqrt{4}")
    assert len(judge.asked) == 1


async def test_a_pair_that_cannot_be_compared_is_different_and_counted() -> None:
    equality = Equality(CountingJudge(None))
    assert not await equality.same(r"\sqrt{4}", "2")
    assert equality.failures == 1


async def test_expressions_are_compared_by_math_verify() -> None:
    async with GradingPool(1) as pool:
        equality = Equality(pool)
        assert await equality.same(r"\frac{1}{2}", "0.5")
        assert await equality.same("(x+1)^2", "x^2+2x+1")
        assert not await equality.same(r"\frac{1}{3}", "0.5")
        assert equality.failures == 0


async def test_mathematics_sees_an_answer_without_its_unit_and_its_wrapping() -> None:
    judge = CountingJudge(True)
    assert (await compare(r"4\sqrt{13} \text{ cm}", r"`4\sqrt{13} centimeters`", judge)).right
    assert (await compare(r"\pi \text{ million}", r"10^6 \pi", judge)).right
    assert judge.asked == [(r"\pi \cdot 10^{6}", r"10^6 \pi")] or judge.asked[-1][0] == r"\pi \cdot 10^{6}"
