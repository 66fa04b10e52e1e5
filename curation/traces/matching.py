"""Whether files of traces or attempts belong to the pool at all: if nothing matches, the run ends by name."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from curation.decontaminate.same import bare
from curation.errors import CurationError
from curation.reader import files_of
from curation.row import Row
from curation.traces.formats import Found
from curation.traces.store import key_of, read_found

EXCERPT = 60


@dataclass(frozen=True, slots=True)
class SomeMatch:
    """A check before a stage: each of the (format, path) files has a trace of some row of the pool.

    `flag` names the files' flag; `needs_thinking`: traces are looked for, not attempts.
    """

    flag: str
    files: tuple[tuple[str, Path], ...]
    needs_thinking: bool

    def __call__(self, rows: Iterable[Row]) -> None:
        """Check every file; of most only the first rows are read.

        Raises:
            CurationError: A file has no row, no match, or no thinking; the message says what was looked for.
        """
        known: set[int] = set()
        first = None
        for row in rows:
            first = first or row
            known.update(_digest(key) for key in (f"id:{row.problem.id}", bare(row.problem.question)))
        for form, path in self.files:
            self._check(f"{self.flag} {form}={path}", form, path, known, first)

    def _check(self, name: str, form: str, path: Path, known: set[int], first: Row | None) -> None:
        seen: list[Found] = []
        count, matches, thinks = 0, False, not self.needs_thinking
        for one in files_of(path):
            for found in read_found(form, one):
                count += 1
                seen = seen or [found]
                matches = matches or _digest(key_of(found)) in known
                thinks = thinks or bool(found.thinking)
                if matches and thinks:
                    return
        if not count:
            raise CurationError(f"{name}: no row in it")
        if not thinks:
            raise CurationError(
                f"{name}: none of its {count:,} rows has thinking: looked for a field reasoning_content, "
                "reasoning or thinking, for parts of these types, and for the marks of a family "
                "(<think> ... </think> and others)"
            )
        there = _excerpt(seen[0].problem_id or seen[0].question)
        here = f"in the pool {first.problem.id!r}, {_excerpt(first.problem.question)}" if first else "no pool"
        raise CurationError(
            f"{name}: none of its {count:,} rows is of a problem of the pool: looked for the same id or the "
            f"same question; the first there is {there}, {here}"
        )


def _digest(key: str) -> int:
    # Eight bytes instead of the question, since there may be a million.
    return int.from_bytes(blake2b(key.encode("utf-8", "replace"), digest_size=8).digest())


def _excerpt(text: str) -> str:
    return repr(text if len(text) <= EXCERPT else text[:EXCERPT] + "...")
