"""Results for other people's tools: a Hugging Face data set, or the logs of inspect-ai."""

import shutil
from collections.abc import Callable
from pathlib import Path

from evals.errors import EvalError
from evals.export.hugging_face import write_data_set
from evals.export.inspect_log import write_logs
from evals.report.read import unfinished

FORMATS: dict[str, Callable[[Path, Path], list[Path]]] = {
    "huggingface": write_data_set,
    "inspect": write_logs,
}


class ExportError(EvalError):
    """A folder that cannot be exported to."""


def export(out: Path, to: Path, form: str) -> str:
    """Write the finished cells of `out` into the new folder `to`; returns what was written.

    Raises:
        ExportError: `to` exists, or cannot be written.
        ReportError: There are no results in `out`.
    """
    if to.exists():
        raise ExportError(f"{to}: already exists; remove it first")
    draft = to.with_name(to.name + ".tmp")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        try:
            written = FORMATS[form](out, draft)
            draft.rename(to)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise ExportError(f"{error.filename or to}: {error.strerror}") from error
    left = [f"{arm} of {group}" for group, arms in unfinished(out).items() for arm in arms]
    said = f"{len(written)} files written to {to}"
    return f"{said}; not finished, and so left out: {', '.join(left)}" if left else said
