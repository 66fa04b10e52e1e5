"""Rules that turn an answer text into a score: integers, letters, strings, mathematics."""

from collections.abc import Callable

from evals.tasks.task import Score, Scorer
from server.reasoning.answers import FinalAnswer, final_answer, letter, same_integer, same_letter, same_string
from server.reasoning.equality import Judge, compare
from server.reasoning.records import Problem


def _no_answer() -> Score:
    return Score(0.0, None, None)


def _by_rule(same: Callable[[str, str], bool], read: Callable[[str], FinalAnswer | None]) -> Scorer:
    async def score(problem: Problem, answer: str, _judge: Judge) -> Score:
        found = read(answer)
        if found is None:
            return _no_answer()
        return Score(float(same(problem.answer, found.value)), found.value, found.source)

    return score


def _named_or_whole(answer: str) -> FinalAnswer | None:
    """The labelled or boxed answer; else the whole reply, which of a text may be the answer."""
    whole = answer.strip()
    return final_answer(answer) or (FinalAnswer(whole, whole) if whole else None)


def _choice(answer: str) -> FinalAnswer | None:
    """The labelled or boxed letter; else the answer itself if it is only a letter."""
    found = final_answer(answer) or FinalAnswer(answer.strip(), answer.strip())
    chosen = letter(found.value)
    return FinalAnswer(chosen, found.source) if chosen else None


score_integer = _by_rule(same_integer, final_answer)
score_string = _by_rule(same_string, _named_or_whole)
score_letter = _by_rule(same_letter, _choice)


async def score_math(problem: Problem, answer: str, judge: Judge) -> Score:
    """Equal or different by rule needs no judge; everything else is math-verify's to say."""
    found = final_answer(answer)
    if found is None:
        return _no_answer()
    verdict = await compare(problem.answer, found.value, judge)
    value = None if verdict.right is None else float(verdict.right)
    return Score(value, found.value, found.source, verdict.failure)
