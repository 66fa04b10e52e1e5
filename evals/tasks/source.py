"""Rows of a benchmark from the hub, or from a local file of the same schema, each with its origin."""

import csv
import json
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from evals.tasks.task import Load, TaskError
from server.reasoning.records import Problem, RecordError, read_objects

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Hub:
    """A data set of the Hugging Face hub."""

    path: str
    split: str
    config: str | None = None

    def __str__(self) -> str:
        return f"{self.path} ({self.config or 'default'}, {self.split})"


@dataclass(frozen=True, slots=True)
class Place:
    """The origin of a row: a file and line (or record), or the hub and row."""

    origin: str
    number: int

    def __str__(self) -> str:
        return f"{self.origin}:{self.number}"


def load_rows(task: str, hub: Hub, load: Load, problem: Callable[[Row, Place], Problem]) -> list[Problem]:
    """The problems of the file or the hub.

    Raises:
        TaskError: They cannot be loaded, or two have the same id.
    """
    rows = file_rows(load.data) if load.data else _hub_rows(task, hub)
    return distinct([problem(row, place) for place, row in islice(rows, load.limit)], str(load.data or hub))


def distinct(found: list[Problem], origin: str) -> list[Problem]:
    """The problems unchanged.

    Raises:
        TaskError: There are none, or two have the same id.
    """
    if not found:
        raise TaskError(f"{origin}: no problems in it")
    seen: set[str] = set()
    for one in found:
        if one.id in seen:
            raise TaskError(f"{origin}: two problems have the id {one.id!r}")
        seen.add(one.id)
    return found


def field(row: Row, place: Place, *names: str) -> str:
    """The first of these columns that is present and not empty, as text.

    Raises:
        TaskError: There is none, or it holds several values.
    """
    return str(value(row, place, *names)).strip()


def value(row: Row, place: Place, *names: str) -> object:
    """The same as it stands in the row: a number is a number.

    Raises:
        TaskError: There is none, or it holds several values.
    """
    name = _present(row, *names)
    if name is None:
        raise TaskError(f"{place}: no {' or '.join(names)} in this row (it has {', '.join(sorted(row))})")
    found = _single(row[name])
    if isinstance(found, dict | list | tuple):
        kind = "an object" if isinstance(found, dict) else f"a list of {len(found)}"
        raise TaskError(f"{place}: {name} is {kind}, not one value")
    return found


def optional(row: Row, *names: str) -> str | None:
    """The first of these columns that is present and not empty, as text; None where there is none."""
    name = _present(row, *names)
    return None if name is None else str(_single(row[name])).strip()


def _present(row: Row, *names: str) -> str | None:
    return next((name for name in names if not _is_empty(_single(row.get(name)))), None)


def _is_empty(found: object) -> bool:
    return found is None or found in ([], ()) or not str(found).strip()


def _single(found: object) -> object:
    """The element of a list of one; anything else unchanged."""
    while isinstance(found, list | tuple) and len(found) == 1:
        found = found[0]
    return found


def identity(row: Row, place: Place, *names: str) -> str:
    """The row's own id if it has one, else its number."""
    return next((str(row[name]) for name in names if row.get(name) not in (None, "")), str(place.number))


def file_rows(path: Path) -> Iterator[tuple[Place, Row]]:
    """The rows of a local file, by its ending.

    Raises:
        TaskError: It cannot be read; the message names the file and, where it can, the line.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise TaskError(f"{path}: cannot read this kind of file; give one of {', '.join(READERS)}")
    try:
        for number, row in reader(path):
            yield Place(str(path), number), row
    except (OSError, UnicodeDecodeError, csv.Error, RecordError) as error:
        text = str(error)
        raise TaskError(text if text.startswith(str(path)) else f"{path}: {text}") from error


def _csv(path: Path) -> Iterator[tuple[int, Row]]:
    csv.field_size_limit(sys.maxsize)  # a field may hold a long question
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        for row in reader:
            yield reader.line_num, {str(k): v for k, v in row.items()}


def _json(path: Path) -> Iterator[tuple[int, Row]]:
    try:
        value = json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise RecordError(path, error.lineno, f"not JSON: {error.msg}") from error
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise RecordError(path, 1, "not a list of objects")
    yield from enumerate(value, 1)


def _parquet(path: Path) -> Iterator[tuple[int, Row]]:
    from pyarrow import ArrowInvalid, parquet

    try:
        table = parquet.read_table(path)
    except ArrowInvalid as error:
        raise RecordError(path, 1, f"not parquet: {error}") from error
    yield from enumerate(table.to_pylist(), 1)


READERS: dict[str, Callable[[Path], Iterator[tuple[int, Row]]]] = {
    ".jsonl": read_objects,
    ".json": _json,
    ".csv": _csv,
    ".parquet": _parquet,
}


def _hub_rows(task: str, hub: Hub) -> Iterator[tuple[Place, Row]]:
    try:
        rows = _hub_dataset(hub)
    except (OSError, ValueError) as error:
        # datasets and huggingface_hub raise OSError (no network, gated) and ValueError (no such config).
        cause = str(error).strip().split("\n")[0]
        raise TaskError(
            f"{task}: the hub's {hub} is not available ({cause}); "
            f"give network (and `hf auth login` for a gated set), or --data FILE with the same columns"
        ) from error
    for number, row in enumerate(rows, 1):
        yield Place(str(hub), number), dict(row)


def _hub_dataset(hub: Hub) -> Any:
    from datasets import load_dataset

    # Without a network it retries for half a minute and would log each try.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    return load_dataset(hub.path, hub.config, split=hub.split)
