"""From a folder of results to tables, CSV files and figures; reads result files only."""

from pathlib import Path

from evals.durable import write_whole
from evals.report.figure import draw
from evals.report.lengths_figure import lengths_svg
from evals.report.measured import groups_of
from evals.report.read import read_runs, unfinished
from evals.report.table import csv_of, lengths_csv_of, tables_of


def report(out: Path) -> str:
    """Write report.md, scaling.csv, lengths.csv and the two figures of each task and model.

    Returns the tables as Markdown.

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
    write_whole(out / "lengths.csv", lengths_csv_of(groups))
    for group in groups:
        suffix = "" if len(groups) == 1 else f"-{group.file_name}"
        if group.counts_tokens:
            draw(group, out / f"scaling{suffix}.png")
        if any(one.lengths.bins for one in group.arms):
            write_whole(out / f"lengths{suffix}.svg", lengths_svg(group))
    return text
