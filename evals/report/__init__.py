"""From a folder of results to tables, scaling.csv and scaling.png; reads result files only."""

from pathlib import Path

from evals.journal import write_whole
from evals.report.figure import draw
from evals.report.measured import groups_of
from evals.report.read import read_runs, unfinished
from evals.report.table import csv_of, tables_of


def report(out: Path) -> str:
    """Write report.md, scaling.csv and one scaling.png per task and model; returns the tables as Markdown.

    Raises:
        ReportError: There are no results in `out`.
    """
    groups = groups_of(read_runs(out))
    parts = [tables_of(group) for group in groups]
    parts += [
        f"Not finished, and so not in the tables of {where}: {', '.join(arms)}."
        for where, arms in unfinished(out).items()
    ]
    text = "\n\n".join(parts)
    write_whole(out / "report.md", text + "\n")
    write_whole(out / "scaling.csv", csv_of(groups))
    for group in groups:
        if not group.counts_tokens:
            continue
        name = "scaling.png" if len(groups) == 1 else f"scaling-{group.file_name}.png"
        draw(group, out / name)
    return text
