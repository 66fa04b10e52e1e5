"""What a page shows of the results: columns (arms), problems, a state for each pair, and the texts."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evals.report.decoding import labelled, told_apart
from evals.report.read import CellRun, read_runs
from evals.row import ResultRow

CUT = "length"
"""The finish reason of a reply that reached its maximum number of tokens."""
SUMMARY = 160
"""Characters of a question in the list."""
Key = tuple[str, str]
"""Task and problem id."""


@dataclass(frozen=True, slots=True)
class Column:
    """One cell's rows under a name that no other column has."""

    name: str
    rows: Mapping[Key, ResultRow]


@dataclass(frozen=True, slots=True)
class Contents:
    """All columns, and the problems of any of them in the order they were first seen."""

    columns: Sequence[Column]
    problems: Sequence[Key]

    def rows_of(self, key: Key) -> Iterator[tuple[int, ResultRow]]:
        """The problem's rows, with their columns' numbers."""
        for number, column in enumerate(self.columns):
            if (row := column.rows.get(key)) is not None:
                yield number, row

    def listed(self, key: Key) -> list[Any]:
        """A problem's line in the list: id, domain, the question's beginning, and its cells by column."""
        rows = dict(self.rows_of(key))
        first = next(iter(rows.values()))
        cells = [_cell(rows[at]) if at in rows else None for at in range(len(self.columns))]
        question = " ".join(first.prompt.split())[:SUMMARY]
        return [key[1], first.domain, question, cells]

    def texts(self, key: Key) -> str:
        """All that is shown of an opened problem, as JSON."""
        rows = dict(self.rows_of(key))
        prompts = {row.prompt for row in rows.values()}
        shared = next(iter(rows.values())).prompt if len(prompts) == 1 else ""
        first = next((row for row in rows.values() if row.reference), None)
        told = {str(at): _told(row, shared) for at, row in rows.items()}
        return json.dumps(
            {"question": shared, "reference": first.reference if first else "", "cells": told},
            ensure_ascii=False,
        )


def read_contents(folders: Sequence[Path]) -> Contents:
    """The finished cells of these folders.

    Raises:
        ReportError: A folder has no results.
        RowError: A row cannot be read.
    """
    runs = [(folder, run) for folder in folders for run in read_runs(folder)]
    names = _names([(str(folder), run) for folder, run in runs])
    columns = [
        Column(name, {(run.task, row.problem_id): row for row in run.rows})
        for name, (_, run) in zip(names, runs, strict=True)
    ]
    problems = dict.fromkeys(key for column in columns for key in column.rows)
    return Contents(columns, list(problems))


def _names(runs: Sequence[tuple[str, CellRun]]) -> list[str]:
    """The arm; before it folder, task and model where there are several, after it what else it takes."""
    places = [(folder, run.task, run.model) for folder, run in runs]
    several = [len({place[at] for place in places}) > 1 for at in range(3)]
    names = []
    for (_, run), place in zip(runs, places, strict=True):
        same = [
            one for other, (_, one) in zip(places, runs, strict=True) if (other, one.arm) == (place, run.arm)
        ]
        told = [part for part, is_told in zip(place, several, strict=True) if is_told]
        told.append(labelled(run.arm.name, told_apart(one.decoding for one in same)[run.decoding]))
        if len({one.seed for one in same}) > 1:
            told.append(f"seed {run.seed}")
        if len({one.repeat for one in same}) > 1:
            told.append(f"repeat {run.repeat}")
        names.append(", ".join(told))
    return names


def _cell(row: ResultRow) -> list[Any]:
    """State and thinking tokens.

    The state is + right, - wrong or ! failed or not graded, then c if it was cut and n if it has no answer.
    """
    graded = "!" if row.score is None else "+" if row.score == 1 else "-"
    marks = ("c" if row.finish_reason == CUT else "") + ("n" if not row.error and not row.extracted else "")
    return [graded + marks, row.thinking_tokens]


def _told(row: ResultRow, shared: str) -> dict[str, Any]:
    facts = {
        "score": row.score,
        "end": row.end,
        "thinking tokens": row.thinking_tokens,
        "answer tokens": row.answer_tokens,
        "Waits": row.waits_used,
        "forced tokens": row.forced_tokens,
        "finish reason": row.finish_reason,
        "tries": row.tries if row.tries > 1 else None,
        "seconds": row.latency_s,
        "seed": row.seed,
    }
    return {
        "prompt": "" if row.prompt == shared else row.prompt,
        "thinking": row.thinking,
        "answer": row.answer,
        "extracted": row.extracted,
        "from": row.extracted_from,
        "failure": row.error or row.grading_failure,
        "spans": (row.echo or {}).get("forced_spans") or [],
        "facts": {name: value for name, value in facts.items() if value is not None},
    }
