"""Grades an attempt: as letter, integer or string if possible, then by math-verify, then by the judge."""

from dataclasses import dataclass

from curation.difficulty.judge import ModelJudge
from server.reasoning.answers import (
    final_answer,
    integer,
    letter,
    same_bare_integer,
    same_integer,
    same_letter,
    same_string,
)
from server.reasoning.grading.pool import GradingPool
from server.reasoning.records import Problem

MAX_BARE_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Grade:
    """`right` is None if undecided; `how` names the method, or the reason."""

    right: bool | None
    how: str


@dataclass(frozen=True, slots=True)
class Grader:
    """Grades attempts with a pool of math-verify processes and an optional judge."""

    pool: GradingPool
    judge: ModelJudge | None = None

    async def grade(self, problem: Problem, attempt: str) -> Grade:
        """Grade an attempt against the problem's reference.

        Raises:
            UnansweredError: The judge has no reply.
        """
        grade = await self._by_rule(problem, attempt)
        if grade.right is None and self.judge and attempt.strip():
            return Grade(*await self.judge.right(problem, attempt))
        return grade

    async def _by_rule(self, problem: Problem, attempt: str) -> Grade:
        if not attempt.strip():
            return Grade(False, "empty")
        if not problem.answer:
            return Grade(None, "no short answer to compare with")
        predicted = answer_in(attempt)
        if predicted is None:
            # Without a judge, an attempt that names no final answer counts as wrong.
            return Grade(None if self.judge else False, "no final answer in it")
        if (settled := _settled(problem, predicted)) is not None:
            return settled
        verdict = await self.pool.equal(problem.answer, predicted)
        # math-verify misses some equal pairs (interval and inequality): with a judge, only its yes is final.
        right = None if verdict.right is False and self.judge else verdict.right
        return Grade(right, verdict.failure or "math-verify")


def answer_in(attempt: str) -> str | None:
    """The boxed or labelled answer; else the whole text if it is one short line; else None."""
    if found := final_answer(attempt):
        return found.value
    bare = attempt.strip()
    return bare if "\n" not in bare and len(bare) <= MAX_BARE_CHARACTERS else None


def _settled(problem: Problem, predicted: str) -> Grade | None:
    gold = problem.answer
    if (same := same_bare_integer(gold, predicted)) is not None:
        return Grade(same, "integer")
    if same_string(gold, predicted):
        return Grade(True, "string")
    if integer(gold) is not None and integer(predicted) is not None:
        return Grade(same_integer(gold, predicted), "integer")
    if problem.choices and letter(gold) and letter(predicted):
        return Grade(same_letter(gold, predicted), "letter")
    return None
