"""What defines a source: where its rows come from, its licence, and how a row becomes a problem.

A new source is one file that defines this, and one row in `curation.sources.SOURCES`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Columns = dict[str, Any]
"""One raw row of the hub or a file."""


@dataclass(frozen=True, slots=True)
class HubDataset:
    """A data set of the Hugging Face hub.

    `files` names its JSON files, for a set that is a loading script, which `datasets` no longer runs.
    """

    path: str
    split: str
    config: str | None = None
    files: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.path} ({self.config or 'default'}, {self.split})"


@dataclass(frozen=True, slots=True)
class Draft:
    """A problem before the pool assigns its id."""

    question: str
    answer: str = ""
    solution: str = ""
    original_id: str = ""
    kind: str = "math"
    published_as: str = ""
    domain: str = ""
    """A two-digit code of `curation.domains.msc` if the source gives a subject, else empty."""
    choices: tuple[str, ...] = ()
    licence: str = ""
    """The row's licence, if it differs from its source's."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A row excluded by the source's own rule (a picture, a year, a difficulty)."""

    why: str


class MissingColumnError(ValueError):
    """A row without a column that its source always has."""


def column(row: Columns, *names: str) -> str:
    """The first of these columns that is present and not empty, as text.

    Raises:
        MissingColumnError: There is none.
    """
    for name in names:
        if (value := optional(row, name)) != "":
            return value
    raise MissingColumnError(f"no {' or '.join(names)} (it has {', '.join(sorted(row))})")


def optional(row: Columns, name: str) -> str:
    """The column as text; empty if it is missing."""
    value = row.get(name)
    return "" if value is None else str(value).strip()


def items(row: Columns, name: str) -> list[Any]:
    """The column as a list; empty if it is missing.

    Raises:
        ValueError: It is no list.
    """
    value = row.get(name)
    if value is not None and not isinstance(value, list | tuple):
        raise ValueError(f"{name} is no list but {str(value)[:60]!r}")
    return list(value or ())


@dataclass(frozen=True, slots=True)
class Source:
    """`draft` reads one raw row. `sample` and `group`: take that many rows, evenly over the groups."""

    name: str
    hub: tuple[HubDataset, ...]
    licence: str
    draft: Callable[[Columns], Draft | LeftOut]
    wanted: Callable[[Columns], bool] = lambda _: True
    """False: the row is of another origin than this source takes (800,000 of NuminaMATH's are)."""
    sample: int | None = None
    group: Callable[[Columns], str] = lambda _: ""
