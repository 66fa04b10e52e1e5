"""The output folder of a sweep: finished problems are appended durably, finished cells sealed.

A cell in progress is `cells/<name>.part.jsonl`, in order of arrival; a finished one `cells/<name>.jsonl`, in
the order of the problems. A line truncated by a kill is dropped on resume. Only one process at a time may
write to a folder.
"""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from evals.cell import Cell
from evals.durable import sync, write_whole
from evals.errors import EvalError
from evals.row import ResultRow, read_rows
from server.reasoning.command import held

# A written line survives a kill; surviving a power failure needs an fsync, which is too slow per line.
SYNC_EVERY_S = 1.0


class FolderError(EvalError):
    """An output folder that must not be written to."""


class Journal:
    """Opens, locks and writes one output folder; a context."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.cells = out / "cells"
        self._files: dict[str, IO[str]] = {}
        self._held = ExitStack()
        self._synced_at = 0.0

    def __enter__(self) -> Self:
        self._held.enter_context(held(self.out, FolderError))
        try:
            self.cells.mkdir(exist_ok=True)
        except OSError as error:
            self._held.close()
            raise FolderError(f"{self.cells} cannot be made ({error.strerror})") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files.values():
            sync(file)
            file.close()
        self._files.clear()
        self._held.close()

    def empty(self) -> None:
        """Delete every cell (--force), and nothing else."""
        for path in self.cells.glob("*.jsonl"):
            path.unlink()

    def names(self) -> set[str]:
        """The names of the cells with a file, finished or not."""
        return {path.name.removesuffix(".jsonl").removesuffix(".part") for path in self.cells.glob("*.jsonl")}

    def done(self, cell: Cell) -> set[str]:
        """The ids of the problems that are finished. Failed requests are asked again."""
        sealed, part = self._sealed(cell), self._part(cell)
        if sealed.exists():
            rows = read_rows(sealed)
            if not any(row.error for row in rows):
                return {row.problem_id for row in rows}
            sealed.rename(part)
        if not part.exists():
            return set()
        _drop_torn_line(part)
        rows = read_rows(part)
        kept = {row.problem_id: row for row in rows if not row.error}
        if len(kept) < len(rows):
            _write(part, list(kept.values()))
        return set(kept)

    def append(self, cell: Cell, row: ResultRow) -> None:
        """Append a row to a cell in progress."""
        file = self._files.get(cell.name)
        if file is None:
            file = self._files[cell.name] = self._part(cell).open("a", encoding="utf-8")
        file.write(row.line())
        file.flush()
        if time.monotonic() - self._synced_at > SYNC_EVERY_S:
            for one in self._files.values():
                sync(one)
            self._synced_at = time.monotonic()

    def seal(self, cell: Cell, order: Sequence[str]) -> None:
        """Write a finished cell under its final name, with its rows in the order of the problems."""
        part = self._part(cell)
        if file := self._files.pop(cell.name, None):
            sync(file)
            file.close()
        if not part.exists():
            return
        place = {problem_id: at for at, problem_id in enumerate(order)}
        _write(self._sealed(cell), sorted(read_rows(part), key=lambda row: place[row.problem_id]))
        part.unlink()

    def _part(self, cell: Cell) -> Path:
        return self.cells / f"{cell.name}.part.jsonl"

    def _sealed(self, cell: Cell) -> Path:
        return self.cells / f"{cell.name}.jsonl"


def _write(path: Path, rows: Sequence[ResultRow]) -> None:
    write_whole(path, "".join(row.line() for row in rows))


def _drop_torn_line(path: Path) -> None:
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        with path.open("r+b") as file:
            file.truncate(whole)
