"""Tasks reasoning_gym:<name>: procedural problems of the reasoning-gym library, with its own verifiers.

Left out: generators that a seed does not reproduce, and verifiers that accept anything, raise, or have no
answer.
"""

from functools import cached_property
from typing import Any

from evals.tasks.task import Load, Score, Task, TaskError
from server.reasoning.answers import FinalAnswer, final_answer
from server.reasoning.equality import Judge
from server.reasoning.gym import UNSOUND_PROBLEMS, UNSOUND_VERIFIERS
from server.reasoning.records import Problem

PREFIX = "reasoning_gym:"
DEFAULT_PROBLEMS = 100
# Some verifiers give wrong answers partial credit of up to 0.25.
MIN_CREDIT = 0.99

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
        found = final_answer(answer) or FinalAnswer(answer.strip(), answer.strip())
        seed, size, at = (int(part) for part in problem.id.split("-"))
        data = self._library.create_dataset(self.name, seed=seed, size=size)
        try:
            credit = float(data.score_answer(answer=found.value, entry=data[at]))
        except Exception as error:  # noqa: BLE001 - third-party verifiers: any exception counts as a grading failure
            return Score(None, found.value, found.source, f"verifier: {type(error).__name__}: {error}")
        return Score(float(credit >= MIN_CREDIT), found.value, found.source)


def reasoning_gym_task(name: str) -> Task:
    """The task of a generator.

    Raises:
        TaskError: It is unknown or not usable.
    """
    from reasoning_gym.factory import DATASETS

    if name in UNSOUND:
        raise TaskError(f"{PREFIX}{name} is excluded: {UNSOUND[name]}")
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
