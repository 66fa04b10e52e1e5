"""A store of the traces or attempts in files: on disk, looked up by question."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import TypeAdapter

from curation.decontaminate.same import bare
from curation.errors import CurationError
from curation.reader import files_of, read_raw
from curation.row import Row
from curation.traces.formats import FORMATS, Found, found_in

_FOUND: TypeAdapter[Found] = TypeAdapter(Found)


class TraceStore:
    """The store of a run."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def put(self, found: Found) -> None:
        """Add an entry; the first one for a question is kept."""
        row = (key_of(found), _FOUND.dump_json(found))
        self._db.execute("insert or ignore into found values (?, ?)", row)

    def find(self, row: Row) -> Found | None:
        """The entry for the row's id or question, or None."""
        for key in (f"id:{row.problem.id}", bare(row.problem.question)):
            if got := self._db.execute("select found from found where key = ?", (key,)).fetchone():
                return _FOUND.validate_json(got[0])
        return None


@contextmanager
def open_store(files: tuple[tuple[str, Path], ...]) -> Iterator[TraceStore]:
    """The store of these (format, path) files, as a context.

    Raises:
        CurationError: A format is unknown, or a row cannot be read; the message has its file and line.
    """
    with tempfile.TemporaryDirectory(prefix="s1-curate-") as folder:
        db = sqlite3.connect(Path(folder) / "store.sqlite")
        try:
            db.execute("create table found (key text primary key, found blob)")
            store = TraceStore(db)
            for form, path in files:
                for one in files_of(path):
                    _fill(store, form, one)
            yield store
        finally:
            db.close()


def key_of(found: Found) -> str:
    """What an entry is looked up by: its problem's id, or its question."""
    return f"id:{found.problem_id}" if found.problem_id else bare(found.question)


def _fill(store: TraceStore, form: str, path: Path) -> None:
    for found in read_found(form, path):
        store.put(found)


def read_found(form: str, path: Path) -> Iterator[Found]:
    """Yield the traces of a file.

    Raises:
        CurationError: The format is unknown, or a row cannot be read; the message has its file and line.
    """
    if form not in FORMATS:
        raise CurationError(f"{path}: {form!r} is not a format of traces; there are {', '.join(FORMATS)}")
    for raw in read_raw(path):
        if raw.columns is None:
            raise CurationError(f"{raw.place}: {raw.fault}")
        try:
            yield from found_in(form, raw.columns)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CurationError(f"{raw.place}: not of the format {form}: {error}") from error
