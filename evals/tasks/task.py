"""What a task is: problems, the prompt, and a scorer. A score keeps what it was given for."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from evals.errors import EvalError
from server.reasoning.grading.pool import Verdict
from server.reasoning.records import Problem


class TaskError(EvalError):
    """An unknown task, or problems that cannot be had."""


class Judge(Protocol):
    """Decides whether two mathematical expressions are equal."""

    async def equal(self, gold: str, said: str, /) -> Verdict: ...


@dataclass(frozen=True, slots=True)
class Score:
    """1.0 right, 0.0 wrong, None when grading failed (`failure` says how); `source` is the text read from."""

    value: float | None
    extracted: str | None
    source: str | None
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Load:
    """Which problems: the first `limit` (None: all) of the hub's set or of the file `data`, under `seed`."""

    data: Path | None
    limit: int | None
    seed: int


Scorer = Callable[[Problem, str, Judge], Awaitable[Score]]


@dataclass(frozen=True, slots=True)
class Task:
    """`problems` and `samples` are this task's defaults: how many problems, how many samples to vote over."""

    name: str
    load: Callable[[Load], list[Problem]]
    prompt: Callable[[Problem], str]
    scorer: Scorer
    problems: int | None = None
    samples: int = 0


def bare_question(problem: Problem) -> str:
    """The paper's prompt: the question and nothing else."""
    return problem.question
