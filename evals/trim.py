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
        TrimError: There are no results, a cell is unfinished, or `kept` exists or cannot be written.
        RowError: A row cannot be read.
    """
    if manifest.read(out) is None:
        raise TrimError(f"{out}: not a folder of results: it has no manifest.json")
    if kept.exists():
        raise TrimError(f"{kept}: already exists; remove it first")
    draft = kept.with_name(kept.name + ".tmp")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        try:
            rows = _copy(out, draft)
            draft.rename(kept)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise TrimError(f"{error.filename or kept}: {error.strerror}") from error
    return f"{rows} rows kept in {kept}"


def _copy(out: Path, draft: Path) -> int:
    """Write the copy; returns its number of rows.

    Raises:
        TrimError: A cell is unfinished.
    """
    (draft / "cells").mkdir(parents=True)
    rows = 0
    for path in sorted((out / "cells").glob("*.jsonl")):
        if path.name.endswith(".part.jsonl"):
            raise TrimError(f"{path}: this cell is not finished")
        slim = [_slim(row) for row in read_rows(path)]
        rows += len(slim)
        text = "".join(row.line() for row in slim)
        # Without a time stamp: the same results give the same bytes.
        (draft / "cells" / f"{path.name}.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    shutil.copyfile(manifest.path_of(out), manifest.path_of(draft))
    return rows


def _slim(row: ResultRow) -> ResultRow:
    return replace(
        row, prompt="", thinking="", answer="", extracted_from=None, echo=None, scaling=None, reference=""
    )
