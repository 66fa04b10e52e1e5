"""Expressions are compared by meaning, in processes; what hangs or dies there is no verdict."""

import asyncio

import pytest

from server.reasoning.grading.pool import GradingPool, Verdict


@pytest.mark.parametrize(
    ("gold", "said", "right"),
    [
        (r"\frac{1}{2}", "0.5", True),
        (r"\left( 3, \frac{\pi}{2} \right)", r"(3, \pi/2)", True),
        (r"(2, \infty)", r"[2, \infty)", False),
        ("x^2 - 1", "(x-1)(x+1)", True),
        ("1, 2", "2, 1", True),
        ("204", "205", False),
        (r"\sqrt{2}", "1.4", False),
    ],
)
async def test_expressions_are_compared_by_their_meaning(gold: str, said: str, right: bool) -> None:
    async with GradingPool(1) as judge:
        assert (await judge.equal(gold, said)).right is right


async def test_a_comparison_that_hangs_is_killed_and_the_next_is_answered() -> None:
    tower = "^".join("9" * 9).replace("^", "^{") + "}" * 8
    async with GradingPool(1, kill_after_s=4.0) as judge:
        assert (await judge.equal("1", "1")).right is True
        verdict = await judge.equal("1", tower)
        assert verdict == Verdict(None, "no verdict in 4 s")
        assert (await judge.equal("2", "2.0")).right is True


async def test_a_comparison_that_math_verify_gives_up_is_a_failure_with_its_words() -> None:
    async with GradingPool(1) as judge:
        assert await judge.equal("1", "9^{9^{9^{9}}}") == Verdict(
            None, "math-verify: Timeout during comparison"
        )


async def test_a_dead_grading_process_is_a_failure_and_is_replaced() -> None:
    async with GradingPool(1) as judge:
        assert (await judge.equal("1", "1")).right is True
        [grader] = judge._all
        grader._process.kill()
        grader._process.join()
        verdict = await judge.equal("1", "1")
        assert verdict.right is None
        assert "died" in verdict.failure
        assert (await judge.equal("1", "1")).right is True


async def test_an_endless_answer_is_a_failure_of_grading() -> None:
    async with GradingPool(1) as judge:
        verdict = await judge.equal("1", "1+" * 2000 + "1")
    assert verdict.right is None
    assert "4001 characters" in verdict.failure


async def test_many_pairs_at_once_each_get_their_own_verdict() -> None:
    async with GradingPool(2) as judge:
        verdicts = await asyncio.gather(*(judge.equal(str(n), str(n + n % 2)) for n in range(10)))
    assert [verdict.right for verdict in verdicts] == [True, False] * 5
