"""What defines a task: its problems, its prompt, and its scorer."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase

from evals.errors import EvalError
from server.reasoning.equality import Judge
from server.reasoning.records import Problem


class TaskError(EvalError):
    """An unknown task, or problems that cannot be loaded."""


@dataclass(frozen=True, slots=True)
class Score:
    """1.0 correct, 0.0 wrong, None if grading failed (`failure` says why).

    `extracted` is the answer that was graded, `source` the text it was read from.
    """

    value: float | None
    extracted: str | None
    source: str | None
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Load:
    """Which problems: the first `limit` (None: all) of the hub's set or of the file `data`, with `seed`."""

    data: Path | None
    limit: int | None
    seed: int


Scorer = Callable[[Problem, str, Judge], Awaitable[Score]]


@dataclass(frozen=True, slots=True)
class Task:
    """`problems` and `samples` are the task's defaults: number of problems, number of samples for voting.

    `scoring` names the scorer where a user has chosen it.
    """

    name: str
    load: Callable[[Load], list[Problem]]
    prompt: Callable[[Problem], str]
    scorer: Scorer
    problems: int | None = None
    samples: int = 0
    scoring: str = ""


def bare_question(problem: Problem) -> str:
    """The paper's prompt: the question alone."""
    return problem.question


def lettered_options(problem: Problem) -> str:
    """The paper's prompt of a multiple-choice question: the question, a blank line, and the options."""
    options = [f"{name}) {text}" for name, text in zip(ascii_uppercase, problem.choices, strict=False)]
    return "\n".join([problem.question, "", *options]) if options else problem.question
