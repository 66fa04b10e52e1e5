"""Task olympiadbench: OlympiadBench's open-ended, text-only English mathematics (OE_TO_maths_en_COMP)."""

from evals.tasks.scorers import score_math
from evals.tasks.source import Hub, Place, Row, field, identity, load_rows
from evals.tasks.task import Load, Task, TaskError, bare_question
from server.reasoning.records import Problem

HUB = Hub("Hothan/OlympiadBench", "train", "OE_TO_maths_en_COMP")


def problem(row: Row, place: Place) -> Problem:
    """The problem of one row.

    Raises:
        TaskError: A column is missing.
    """
    answers = row.get("final_answer")
    if isinstance(answers, str):
        answers = [answers]
    if not answers or not all(isinstance(one, str) and one.strip() for one in answers):
        raise TaskError(f"{place}: no final_answer in this row")
    context = str(row.get("context") or "").strip()
    question = field(row, place, "question")
    return Problem(
        id=identity(row, place, "id"),
        question=f"{context}\n\n{question}" if context else question,
        answer=", ".join(answers),
        domain=str(row.get("subfield") or ""),
        source="olympiadbench",
    )


def load(load: Load) -> list[Problem]:
    """The problems.

    Raises:
        TaskError: They cannot be loaded.
    """
    return load_rows("olympiadbench", HUB, load, problem)


OLYMPIADBENCH = Task("olympiadbench", load, bare_question, score_math)
