"""A cache of replies in one SQLite file, keyed by the content hash of the request.

Each reply is committed by itself: after kill -9 only requests in flight are lost.
"""

import json
import sqlite3
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import TypeAdapter

from curation.ask.request import Reply, Request
from curation.errors import CurationError

_REPLY: TypeAdapter[Reply] = TypeAdapter(Reply)


class ReplyCache:
    """The reply cache; a context."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self._path, timeout=60)
            # A committed reply survives kill -9; an fsync per reply would cost more than the request.
            self._db.execute("pragma journal_mode=wal")
            self._db.execute("pragma synchronous=normal")
            self._db.execute(
                "create table if not exists replies (key text primary key, request text, reply text)"
            )
        except (OSError, sqlite3.Error) as error:
            raise CurationError(f"{self._path}: cannot be used as a cache ({error})") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    def get(self, request: Request) -> Reply | None:
        """The cached reply to a request, or None."""
        found = self._db.execute("select reply from replies where key = ?", (request.key,)).fetchone()
        return _REPLY.validate_json(found[0]) if found else None

    def put(self, request: Request, reply: Reply) -> None:
        """Store a reply.

        Raises:
            CurationError: The file cannot be written.
        """
        row = (request.key, json.dumps(asdict(request)), json.dumps(asdict(reply)))
        try:
            with self._db:
                self._db.execute("insert or replace into replies values (?, ?, ?)", row)
        except sqlite3.Error as error:
            raise CurationError(
                f"{self._path}: cannot be written ({error}); what it holds is kept"
            ) from error
