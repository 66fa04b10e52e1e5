"""Is an attempt right? By letter, integer or string where that settles it, then math-verify, then
the judge.
"""

from dataclasses import dataclass

from curation.difficulty.judge import Judge
from server.reasoning.answers import final_answer, integer, letter, same_integer, same_letter, same_string
from server.reasoning.grading.pool import GradingPool
from server.reasoning.records import Problem

LONGEST_BARE = 60


@dataclass(frozen=True, slots=True)
class Grade:
    """`right` None: nobody could tell; `how` says who could, or why not."""

    right: bool | None
    how: str


@dataclass(frozen=True, slots=True)
class Grader:
    pool: GradingPool
    judge: Judge | None = None

    async def grade(self, problem: Problem, attempt: str) -> Grade:
        grade = await self._by_rule(problem, attempt)
        if grade.right is None and self.judge and attempt.strip():
            return Grade(*await self.judge.right(problem, attempt))
        return grade

    async def _by_rule(self, problem: Problem, attempt: str) -> Grade:
        if not attempt.strip():
            return Grade(False, "empty")
        if not problem.answer:
            return Grade(None, "no short answer to compare with")
        said = answer_in(attempt)
        if said is None:
            # Without a judge to read it, an attempt that names no answer has not solved anything.
            return Grade(None if self.judge else False, "no final answer in it")
        if (settled := _settled(problem, said)) is not None:
            return settled
        verdict = await self.pool.equal(problem.answer, said)
        # math-verify misses pairs (an interval against an inequality): only its yes is final beside a judge.
        right = None if verdict.right is False and self.judge else verdict.right
        return Grade(right, verdict.failure or "math-verify")


def answer_in(attempt: str) -> str | None:
    """The box or the labelled answer; else the whole text where it is one short line, as some
    models answer.
    """
    if found := final_answer(attempt):
        return found.value
    bare = attempt.strip()
    return bare if "\n" not in bare and len(bare) <= LONGEST_BARE else None


def _settled(problem: Problem, said: str) -> Grade | None:
    gold = problem.answer
    if same_string(gold, said):
        return Grade(True, "string")
    if integer(gold) is not None and integer(said) is not None:
        return Grade(same_integer(gold, said), "integer")
    if problem.choices and letter(gold) and letter(said):
        return Grade(same_letter(gold, said), "letter")
    return None
