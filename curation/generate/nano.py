"""The problems of s1-nano, and their teacher as a stage: pool and traces of the miniature.

Only problems of the train split are drawn, never those the evals measure on (see
`server.reasoning.nano.problems`).
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from random import Random

from curation.row import Outcome, Row
from curation.run.stage import Fault
from server.reasoning.nano.problems import NanoProblem, problem_from, problems, split_of, trace
from server.reasoning.records import Problem, Trace

SOURCE = "nano"


def nano_rows(count: int, seed: int) -> Iterator[Outcome]:
    """Yield `count` distinct problems of the train split as rows."""
    return map(row_of, problems("train", count, seed))


def row_of(one: NanoProblem) -> Row:
    """The row of a generated problem."""
    problem = Problem(one.id, one.question, one.answer, one.answer, one.domain, SOURCE)
    return Row(problem, "math", SOURCE, "Apache-2.0", one.key, json.dumps({"facts": one.facts}))


def held_out(row: Row) -> Fault | None:
    """A rule: drop problems of another split; checked again here, whatever the generator did."""
    if row.problem.source != SOURCE:
        return None
    split = split_of(_problem(row))
    return None if split == "train" else Fault("held_out", f"belongs to the {split} split")


def _problem(row: Row) -> NanoProblem:
    return problem_from(row.problem.domain, tuple(json.loads(row.metadata)["facts"]))


@dataclass(frozen=True, slots=True)
class NanoTeacher:
    """A stage: the generator's teacher writes the traces, with random numbers seeded per row."""

    seed: int

    def __call__(self, rows: Iterable[Row]) -> Iterator[Outcome]:
        """Add a trace to each generated row without one."""
        for row in rows:
            if row.problem.source != SOURCE or row.trace is not None:
                yield row
                continue
            made = trace(_problem(row), Random(f"{self.seed}:{row.problem.id}"))
            kept = Trace(row.problem.id, made.thinking.strip(), made.answer, "nano-teacher")
            yield replace(row, trace=kept, finish_reason="stop")
