"""A row of the pool: a problem, its origin, and what the stages have added so far.

Defines its fields and its JSON line. A dropped row keeps its reason.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from server.reasoning.records import Problem, Trace


@dataclass(frozen=True, slots=True)
class Attempt:
    """A solver model's answer in the difficulty filter. `solved` is None if not graded, or not decidable."""

    model: str
    text: str
    solved: bool | None = None
    how: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """`kind` and `published_as` are s1K's columns cot_type and source_type.

    `metadata` holds the remaining columns, as JSON.
    """

    problem: Problem
    kind: str = "math"
    published_as: str = ""
    licence: str = ""
    original_id: str = ""
    metadata: str = ""
    trace: Trace | None = None
    finish_reason: str = ""
    """Why the trace ended, from the endpoint or file: stop, length, or empty if unknown."""
    attempts: tuple[Attempt, ...] = ()


@dataclass(frozen=True, slots=True)
class Dropped:
    """A dropped row: `reason` is the short name the funnel counts, `detail` what exactly was found."""

    row: Row
    reason: str
    detail: str = ""


Outcome = Row | Dropped

_ROW: TypeAdapter[Row] = TypeAdapter(Row)
_DROPPED: TypeAdapter[Dropped] = TypeAdapter(Dropped)


def row_line(row: Row) -> bytes:
    """The row as a JSON line."""
    return _ROW.dump_json(row) + b"\n"


def dropped_line(dropped: Dropped) -> bytes:
    """The dropped row as a JSON line."""
    return _DROPPED.dump_json(dropped) + b"\n"


def row_from(line: bytes) -> Row:
    """Parse a row's JSON line."""
    return _ROW.validate_json(line)


def read_dropped(path: Path) -> Iterator[Dropped]:
    """Yield the dropped rows of a file."""
    with path.open("rb") as file:
        for line in file:
            yield _DROPPED.validate_json(line)


@dataclass(frozen=True, slots=True)
class RowFile(Iterable[Row]):
    """The rows of a file, read again at every iteration: a stage may iterate twice without holding them."""

    path: Path

    def __iter__(self) -> Iterator[Row]:
        with self.path.open("rb") as file:
            for line in file:
                yield row_from(line)
