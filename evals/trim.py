"""A copy of results for a repository: scores, counts and ends per problem; no prompts or generated text."""

import gzip
import shutil
from dataclasses import replace
from pathlib import Path

from evals import manifest
from evals.errors import EvalError
from evals.row import ResultRow, read_rows


class TrimError(EvalError):
    """A folder that cannot be trimmed, or a target that exists."""


def trim(out: Path, kept: Path) -> str:
    """Copy the results in `out` to the new folder `kept`; both give the same report.

    Raises:
        TrimError: There are no results, a cell is unfinished, or `kept` exists.
    """
    if manifest.read(out) is None:
        raise TrimError(f"{out}: not a folder of results: it has no manifest.json")
    if kept.exists():
        raise TrimError(f"{kept}: already exists; remove it first")
    (kept / "cells").mkdir(parents=True)
    rows = 0
    for path in sorted((out / "cells").glob("*.jsonl")):
        if path.name.endswith(".part.jsonl"):
            raise TrimError(f"{path}: this cell is not finished")
        slim = [_slim(row) for row in read_rows(path)]
        rows += len(slim)
        text = "".join(row.line() for row in slim)
        # Without a time stamp: the same results give the same bytes.
        (kept / "cells" / f"{path.name}.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    shutil.copyfile(manifest.path_of(out), manifest.path_of(kept))
    return f"{rows} rows kept in {kept}"


def _slim(row: ResultRow) -> ResultRow:
    return replace(
        row, prompt="", thinking="", answer="", extracted_from=None, echo=None, scaling=None, reference=""
    )
