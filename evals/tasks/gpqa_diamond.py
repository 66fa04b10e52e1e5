"""Task gpqa_diamond: 198 multiple-choice questions, with the options shuffled by seed.

Its authors ask not to publish questions in plain text: none is stored here, and stored results leave prompts
out.
"""

from random import Random

from evals.tasks.scorers import score_letter
from evals.tasks.source import Hub, Place, Row, field, identity, load_rows
from evals.tasks.task import Load, Task, lettered_options
from server.reasoning.records import Problem

HUB = Hub("Idavidrein/gpqa", "train", "gpqa_diamond")
WRONG = ("Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")


def problem(row: Row, place: Place, seed: int) -> Problem:
    """The problem of one row.

    Raises:
        TaskError: A column is missing.
    """
    name = identity(row, place, "Record ID")
    right = field(row, place, "Correct Answer")
    options = [right, *(field(row, place, column) for column in WRONG)]
    # Seeded per record: a question's order does not depend on which others are loaded.
    order = list(range(4))
    Random(f"{seed}:{name}").shuffle(order)
    return Problem(
        id=name,
        question=field(row, place, "Question"),
        answer="ABCD"[order.index(0)],
        domain=str(row.get("High-level domain") or ""),
        source="gpqa_diamond",
        choices=tuple(options[at] for at in order),
    )


def load(load: Load) -> list[Problem]:
    """The problems.

    Raises:
        TaskError: They cannot be loaded.
    """
    return load_rows("gpqa_diamond", HUB, load, lambda row, place: problem(row, place, load.seed))


GPQA_DIAMOND = Task("gpqa_diamond", load, lettered_options, score_letter)
