"""A folder that `datasets.load_dataset` and the hub read: Parquet, a configuration for each task, a card."""

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, get_args

from evals.report.read import CellRun, read_runs
from evals.row import ResultRow

OF_THE_CELL = {
    "task": str,
    "model": str,
    "arm": str,
    "temperature": float,
    "top_p": float,
    "sampling_seed": int,
    "repeat": int,
}
JSON_COLUMNS = ("echo", "scaling")
"""Objects whose fields differ from arm to arm: as JSON text, since a Parquet column has one type."""


def write_data_set(out: Path, to: Path) -> list[Path]:
    """Write the cells of `out`, a Parquet file for each task; returns the files."""
    tasks: dict[str, list[CellRun]] = {}
    for run in read_runs(out):
        tasks.setdefault(run.task, []).append(run)
    (to / "data").mkdir()
    names = _names(list(tasks))
    paths = [_write(to / "data" / f"{names[task]}.parquet", runs) for task, runs in tasks.items()]
    card = to / "README.md"
    card.write_text(_card(names, tasks), encoding="utf-8")
    return [*paths, card]


def _names(tasks: Sequence[str]) -> dict[str, str]:
    """A file and configuration name for each task; the hub allows no colon."""
    found: dict[str, str] = {}
    for task in tasks:
        name = "".join(c if c.isalnum() or c in "-." else "_" for c in task)
        while name in found.values():
            name += "_"
        found[task] = name
    return found


def _write(path: Path, runs: Sequence[CellRun]) -> Path:
    import pyarrow
    from pyarrow import parquet

    types = {str: pyarrow.string(), float: pyarrow.float64(), int: pyarrow.int64(), bool: pyarrow.bool_()}
    columns = OF_THE_CELL | {each.name: _type(each.name, each.type) for each in fields(ResultRow)}
    schema = pyarrow.schema([(name, types[kind]) for name, kind in columns.items()])
    with parquet.ParquetWriter(path, schema) as writer:
        for run in runs:
            writer.write_table(pyarrow.Table.from_pylist([_row(run, row) for row in run.rows], schema=schema))
    return path


def _type(name: str, kind: Any) -> type:
    """The type of a field, without its `| None`."""
    found: type = str if name in JSON_COLUMNS else next(iter(get_args(kind)), kind)
    return found


def _row(run: CellRun, row: ResultRow) -> dict[str, object]:
    values = asdict(row)
    for name in JSON_COLUMNS:
        if values[name] is not None:
            values[name] = json.dumps(values[name], ensure_ascii=False)
    decoding = (run.decoding.temperature, run.decoding.top_p, run.seed, run.repeat)
    of_the_cell = (run.task, run.model, run.arm.name, *decoding)
    return {**dict(zip(OF_THE_CELL, of_the_cell, strict=True)), **values}


def _card(names: dict[str, str], tasks: dict[str, list[CellRun]]) -> str:
    configs = "".join(
        f"- config_name: {json.dumps(name)}\n  data_files:\n  - split: test\n    path: data/{name}.parquet\n"
        for name in names.values()
    )
    listed = "".join(
        f"- `{name}`: {sum(len(run.rows) for run in tasks[task]):,} replies, "
        f"{', '.join(dict.fromkeys(run.model for run in tasks[task]))}; "
        f"{', '.join(dict.fromkeys(run.arm.name for run in tasks[task]))}\n"
        for task, name in names.items()
    )
    return (
        f"---\nconfigs:\n{configs}tags:\n- s1-server\n- test-time-scaling\n---\n\n"
        "# Results of s1-eval\n\n"
        "A row is one reply: a problem under one arm (a setting of a thinking budget), with the thinking,\n"
        "the answer, what was extracted from it (`extracted`), its score (1.0 right, 0.0 wrong, null not\n"
        "graded) and its counts in tokens. `echo` and `scaling` are JSON.\n\n" + listed
    )
