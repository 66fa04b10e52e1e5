"""The outputs of a run: train.jsonl for training, and the same rows in s1K's columns as parquet.

A line of train.jsonl is {"schema", "problem", "trace"}, with the records of `server.reasoning.records`.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from curation.row import Row, RowFile
from curation.run.folder import whole_file
from server.reasoning.records import SCHEMA_VERSION, Problem, Trace

TRAIN = "train.jsonl"
PROBLEMS = "problems.jsonl"
PARQUET = "s1k.parquet"


def export(rows: RowFile, out: Path) -> None:
    """Write the outputs into the folder `out`.

    Rows without traces (a skipped stage) cannot be trained on: then only problems.jsonl is written.
    """
    if any(row.trace is None for row in rows):
        _write_lines(out / PROBLEMS, (asdict(row.problem) for row in rows))
        return
    _write_lines(out / TRAIN, (_example(row.problem, row.trace) for row in rows if row.trace))
    _write_parquet(out / PARQUET, rows)


def _example(problem: Problem, trace: Trace) -> dict[str, object]:
    return {"problem": asdict(problem), "trace": asdict(trace)}


def _write_lines(path: Path, values: Iterable[dict[str, object]]) -> None:
    with whole_file(path) as file:
        for value in values:
            file.write(json.dumps({"schema": SCHEMA_VERSION, **value}, ensure_ascii=False).encode() + b"\n")


def _write_parquet(path: Path, rows: RowFile) -> None:
    """Write the columns of simplescaling/s1K at the hub."""
    import pyarrow
    from pyarrow import parquet

    text = pyarrow.string()
    schema = pyarrow.schema(
        [
            *((name, text) for name in ("solution", "question", "cot_type", "source_type", "metadata")),
            ("cot", pyarrow.null()),
            ("thinking_trajectories", pyarrow.list_(text)),
            ("attempt", text),
        ]
    )
    table = pyarrow.Table.from_pylist([_columns(row) for row in rows], schema=schema)
    with whole_file(path) as file:
        parquet.write_table(table, file)


def _columns(row: Row) -> dict[str, object]:
    return {
        "solution": row.problem.solution or row.problem.answer,
        "question": row.problem.question,
        "cot_type": row.kind,
        "source_type": row.published_as,
        "metadata": row.metadata,
        "cot": None,
        "thinking_trajectories": [row.trace.thinking] if row.trace else [],
        "attempt": row.trace.answer if row.trace else "",
    }
