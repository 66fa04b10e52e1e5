"""Tasks reasoning_gym:<name>: procedural problems of the reasoning-gym library, with its own verifiers.

Left out: generators that a seed does not reproduce, and verifiers that accept anything, raise, or have no
answer. Compensated: verifiers that lower the score for a blank or line break around the right answer get it
without; those that give almost full credit to almost right answers count only in full; answers of several
lines are read whole.
"""

import re
from functools import cached_property
from typing import Any

from evals.tasks.task import Load, Score, Task, TaskError
from server.reasoning.answers import FinalAnswer, final_answer
from server.reasoning.equality import Judge
from server.reasoning.gym import UNSOUND_PROBLEMS, UNSOUND_VERIFIERS, why_not
from server.reasoning.records import Problem

PREFIX = "reasoning_gym:"
DEFAULT_PROBLEMS = 100
# Verifiers give wrong answers partial credit: a grid of 100 cells with one wrong gets 0.99.
FULL_CREDIT = 1.0
LABEL = re.compile(r"(?im)^.*\banswer\b[*_`]*\s*(?:is\s*)?:[*_`]*[ \t]*")
FENCE = re.compile(r"(?m)^[ \t]*```.*\n?")

UNSOUND = {**UNSOUND_PROBLEMS, **UNSOUND_VERIFIERS}


class Gym:
    """One generator with one seed; problems and scores use the same entries."""

    def __init__(self, name: str) -> None:
        self.name = name

    @cached_property
    def _library(self) -> Any:
        import reasoning_gym

        return reasoning_gym

    def load(self, load: Load) -> list[Problem]:
        """The problems.

        Raises:
            TaskError: A data file was given.
        """
        if load.data:
            raise TaskError(f"{PREFIX}{self.name}: generates its own problems: --data does not apply")
        size = DEFAULT_PROBLEMS if load.limit is None else load.limit
        data = self._library.create_dataset(self.name, seed=load.seed, size=size)
        return [
            Problem(
                f"{load.seed}-{size}-{at}", data[at]["question"], str(data[at]["answer"]), source=self.name
            )
            for at in range(size)
        ]

    async def score(self, problem: Problem, answer: str, _judge: Judge) -> Score:
        """The verifier's score for an answer."""
        seed, size, at = (int(part) for part in problem.id.split("-"))
        data = self._library.create_dataset(self.name, seed=seed, size=size)
        readings = readings_of(answer)
        for reading in readings:
            try:
                credit = float(data.score_answer(answer=reading.value, entry=data[at]))
            except Exception as error:  # noqa: BLE001 - third-party verifiers: any exception counts as a grading failure
                why = f"verifier: {type(error).__name__}: {error}"
                return Score(None, reading.value, reading.source, why)
            if credit >= FULL_CREDIT:
                return Score(1.0, reading.value, reading.source)
        return Score(0.0, readings[0].value, readings[0].source)


def readings_of(answer: str) -> list[FinalAnswer]:
    """The answer as it is read elsewhere, and in full: answers of these tasks may have many lines.

    In full it is all that follows the last label, or the whole reply without one.
    """
    label = list(LABEL.finditer(answer))
    whole = answer[label[-1].end() :] if label else answer
    lines = FENCE.sub("", whole).strip("\n").rstrip()
    found = final_answer(answer) or FinalAnswer(answer.strip(), answer.strip())
    values = dict.fromkeys((found.value, lines, lines.strip()))
    return [found if value == found.value else FinalAnswer(value, whole) for value in values]


def reasoning_gym_task(name: str) -> Task:
    """The task of a generator.

    Raises:
        TaskError: It is unknown or not usable.
    """
    from reasoning_gym.factory import DATASETS

    if why := why_not(name, UNSOUND):
        raise TaskError(f"{PREFIX}{name} is excluded: {why}")
    if name not in DATASETS:
        raise TaskError(f"unknown task {PREFIX}{name}; `s1-eval tasks` lists those that reasoning-gym has")
    gym = Gym(name)
    return Task(
        PREFIX + name, gym.load, lambda problem: problem.question, gym.score, problems=DEFAULT_PROBLEMS
    )


def sound_names() -> list[str]:
    """The usable generators, sorted."""
    from reasoning_gym.factory import DATASETS

    return sorted(set(DATASETS) - set(UNSOUND))
