"""The judge agrees with other people's graders, and what hangs or fails is a failure of grading, not a
wrong answer.
"""

import json
from pathlib import Path

import pytest

from evals.tasks.scorers import score_integer, score_letter, score_math, score_string
from evals.tasks.task import Score
from server.reasoning.grading.pool import GradingPool, Verdict
from server.reasoning.records import Problem

FIXTURE = Path(__file__).parents[1] / "fixtures" / "math500_graded.jsonl"
# Rows on which we and Qwen2.5-Math's grader differ, each read; evals/GRADING.md says why.
THEIRS_IS_WRONG = {
    ("Qwen2.5-14B-Instruct", 184),  # an open and a closed interval are not equal; theirs says they are
    ("Qwen2.5-14B-Instruct", 198),  # 10,\!080 is 10080
    ("Qwen2.5-14B-Instruct", 217),  # 11,\! 111,\! 111,\! 100 is 11111111100
    ("Qwen2.5-14B-Instruct", 284),  # 3 \pm 2 \sqrt{2} is the two numbers
}


class Refuses:
    async def equal(self, gold: str, said: str) -> Verdict:
        return Verdict(None, f"cannot compare {gold} and {said}")


def problem(answer: str) -> Problem:
    return Problem("p", "?", answer)


async def test_the_judge_agrees_with_qwens_grader_wherever_a_final_answer_stands() -> None:
    rows = [json.loads(line) for line in FIXTURE.read_text(encoding="utf-8").splitlines()]
    async with GradingPool(1) as judge:
        scores = [await score_math(problem(row["gold"]), row["answer"], judge) for row in rows]
    assert all(score.value is not None for score in scores)
    short = [(r, s) for r, s in zip(rows, scores, strict=True) if r["model"] == "Qwen2.5-14B-Instruct"]
    differ = {(r["model"], r["idx"]) for r, s in short if s.value != r["their_score"]}
    assert len(short) == 100
    assert differ == THEIRS_IS_WRONG
    # The other model often stops before its answer; there the other grader takes the last number of the
    # thinking.
    long = [(r, s) for r, s in zip(rows, scores, strict=True) if r["model"] == "Sky-T1-27B" and s.extracted]
    disagree = [r["idx"] for r, s in long if s.value != r["their_score"]]
    assert disagree == [
        28,
        113,
        278,
    ]  # the other grader cut the answer wrongly: 7, definitely8000, 255Ithink...


async def test_a_failure_of_grading_is_neither_right_nor_wrong() -> None:
    score = await score_math(problem("x^2"), r"\boxed{y^2}", Refuses())
    assert score == Score(None, "y^2", r"\boxed{y^2}", "cannot compare x^2 and y^2")


@pytest.mark.parametrize(
    ("answer", "value", "extracted"),
    [
        ("Final Answer: 7", 1.0, "7"),
        ("Final Answer: 8", 0.0, "8"),
        ("7", 1.0, "7"),
        ("I think so", 0.0, None),
        ("", 0.0, None),
    ],
)
async def test_integers_need_no_judge_and_a_final_answer(
    answer: str, value: float, extracted: str | None
) -> None:
    score = await score_integer(problem("7"), answer, Refuses())
    assert (score.value, score.extracted) == (value, extracted)
    assert score.source is None or score.source in answer


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("Answer: B", 1.0),
        (r"\boxed{\text{B}}", 1.0),
        ("B", 1.0),
        ("Answer: C", 0.0),
        ("no idea", 0.0),
        ("", 0.0),
    ],
)
async def test_a_choice_is_a_letter_and_silence_is_not_a(answer: str, value: float) -> None:
    assert (await score_letter(problem("B"), answer, Refuses())).value == value
    assert (await score_letter(problem("A"), "no idea", Refuses())).value == 0.0


async def test_strings_have_their_own_rule() -> None:
    assert (await score_string(problem("Paris"), "Answer: paris.", Refuses())).value == 1.0
    assert (await score_string(problem("Paris"), "Answer: Rome", Refuses())).value == 0.0


@pytest.mark.parametrize(
    ("reply", "value", "extracted"),
    [
        ("New York", 1.0, "New York"),
        (" new york.\n", 1.0, "new york."),
        ("Answer: New York", 1.0, "New York"),
        ("I thought of Boston, then of Rome", 0.0, "I thought of Boston, then of Rome"),
        ("New York? No. Answer: Boston", 0.0, "Boston"),
        (" \n", 0.0, None),
    ],
)
async def test_a_text_that_names_no_answer_is_the_answer(
    reply: str, value: float, extracted: str | None
) -> None:
    score = await score_string(problem("New York"), reply, Refuses())
    assert (score.value, score.extracted) == (value, extracted)
