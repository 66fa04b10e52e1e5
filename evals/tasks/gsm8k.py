"""Task gsm8k: 1,319 grade-school word problems; the reference answer follows "####" and is a whole number."""

from evals.tasks.scorers import score_math
from evals.tasks.source import Hub, Place, Row, field, identity, load_rows
from evals.tasks.task import Load, Task, TaskError, bare_question
from server.reasoning.records import Problem

HUB = Hub("openai/gsm8k", "test", "main")


def problem(row: Row, place: Place) -> Problem:
    """The problem of one row.

    Raises:
        TaskError: A column is missing.
    """
    solution, mark, answer = field(row, place, "answer").rpartition("####")
    if not mark or not answer.strip():
        raise TaskError(f"{place}: the answer column has no '#### number'")
    question = field(row, place, "question")
    return Problem(
        identity(row, place, "id"), question, answer.strip().replace(",", ""), solution, source="gsm8k"
    )


def load(load: Load) -> list[Problem]:
    """The problems.

    Raises:
        TaskError: They cannot be loaded.
    """
    return load_rows("gsm8k", HUB, load, problem)


GSM8K = Task("gsm8k", load, bare_question, score_math)
