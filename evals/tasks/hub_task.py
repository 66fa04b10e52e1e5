"""Tasks whose problems are rows of a hub data set: the prompt is the question, graded as mathematics."""

from collections.abc import Sequence

from evals.tasks.scorers import score_math
from evals.tasks.source import Hub, Place, Row, field, identity, load_rows, optional
from evals.tasks.task import Load, Task, bare_question
from server.reasoning.records import Problem


def hub_task(
    name: str,
    hub: Hub,
    *,
    question: Sequence[str],
    answer: Sequence[str] = ("answer",),
    ids: Sequence[str] = ("id",),
    domain: str = "domain",
    level: str = "level",
) -> Task:
    """The task of a hub data set.

    `question`, `answer` and `ids` list column names, of which the first present one is used; `domain` and
    `level` are columns that may be missing.
    """

    def problem(row: Row, place: Place) -> Problem:
        return Problem(
            id=identity(row, place, *ids),
            question=field(row, place, *question),
            answer=field(row, place, *answer),
            domain=str(row.get(domain) or ""),
            source=name,
            level=optional(row, level) or "",
        )

    def load(load: Load) -> list[Problem]:
        return load_rows(name, hub, load, problem)

    return Task(name, load, bare_question, score_math)
