"""Rows for tests, with only the fields that a test sets."""

from curation.row import Attempt, Dropped, Outcome, Row
from server.reasoning.records import Problem, Trace


def a_problem(
    question: str = "What is 1 + 1?",
    *,
    id: str = "math/1",
    answer: str = "2",
    solution: str = "",
    domain: str = "11",
    source: str = "math",
    choices: tuple[str, ...] = (),
) -> Problem:
    return Problem(id, question, answer, solution, domain, source, choices)


def a_row(
    question: str = "What is 1 + 1?",
    *,
    id: str = "math/1",
    answer: str = "2",
    solution: str = "",
    domain: str = "11",
    source: str = "math",
    thinking: str | None = None,
    said: str = "2",
    correct: bool | None = None,
    finish_reason: str = "stop",
    attempts: tuple[Attempt, ...] = (),
) -> Row:
    problem = a_problem(question, id=id, answer=answer, solution=solution, domain=domain, source=source)
    trace = None if thinking is None else Trace(id, thinking, said, "teacher", None, correct)
    return Row(problem, trace=trace, finish_reason=finish_reason, attempts=attempts)


def reasons(outcomes: list[Outcome]) -> dict[str, str]:
    """The reason of each dropped row, by id."""
    return {one.row.problem.id: one.reason for one in outcomes if isinstance(one, Dropped)}


def kept(outcomes: list[Outcome]) -> list[str]:
    return [one.problem.id for one in outcomes if isinstance(one, Row)]
