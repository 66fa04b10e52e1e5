"""Gives rows the traces in files; a row without one passes, to be asked for or dropped later."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from curation.row import Outcome, Row
from curation.traces.store import open_store
from server.reasoning.records import Trace


@dataclass(frozen=True, slots=True)
class Brought:
    """A stage; `files` are (format, path)."""

    files: tuple[tuple[str, Path], ...]

    def __call__(self, rows: Iterable[Row]) -> Iterator[Outcome]:
        """Add the trace in the files, if any, to each row without one."""
        with open_store(self.files) as store:
            for row in rows:
                found = store.find(row) if row.trace is None else None
                if found is None:
                    yield row
                else:
                    trace = Trace(row.problem.id, found.thinking, found.answer, found.model)
                    yield replace(row, trace=trace, finish_reason=found.finish_reason)
