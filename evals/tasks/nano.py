"""Task nano: held-out problems of the embedded model s1-nano, generated; integers, five domains."""

from evals.tasks.scorers import score_integer
from evals.tasks.source import distinct
from evals.tasks.task import Load, Task, TaskError, bare_question
from server.reasoning.nano.problems import problems
from server.reasoning.records import Problem, RecordError, read_problems

DEFAULT_PROBLEMS = 1000


def load(load: Load) -> list[Problem]:
    """The problems: generated, or those of a file.

    Raises:
        TaskError: The file cannot be read, or no problem was asked for.
    """
    if load.data:
        try:
            return distinct(list(read_problems(load.data))[: load.limit], str(load.data))
        except (OSError, RecordError) as error:
            raise TaskError(str(error)) from error
    limit = DEFAULT_PROBLEMS if load.limit is None else load.limit
    if limit < 1:
        raise TaskError("nano: there must be at least one problem")
    drawn = problems("test", limit, load.seed)
    return [Problem(p.id, p.question, p.answer, domain=p.domain, source="s1-nano") for p in drawn]


NANO = Task("nano", load, bare_question, score_integer, problems=DEFAULT_PROBLEMS, samples=8)
