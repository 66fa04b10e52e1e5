"""What a source is: where its rows come from, under which licence, and how one of them becomes a problem.

Adding a source is one file that says this, and one row in `curation.sources.SOURCES`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Columns = dict[str, Any]
"""One raw row, as the hub or the file has it."""


@dataclass(frozen=True, slots=True)
class Hub:
    """A data set of the Hugging Face hub. `files`: these JSON files of it, for a set that is otherwise a
    loading script, which `datasets` runs no more."""

    path: str
    split: str
    config: str | None = None
    files: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.path} ({self.config or 'default'}, {self.split})"


@dataclass(frozen=True, slots=True)
class Draft:
    """A problem on its way into the pool; the pool gives it its id."""

    question: str
    answer: str = ""
    solution: str = ""
    original_id: str = ""
    kind: str = "math"
    published_as: str = ""
    domain: str = ""
    """A two-digit code of `curation.domains.msc` where the source has a subject of its own, else empty."""
    choices: tuple[str, ...] = ()
    licence: str = ""
    """Where one row's differs from its source's."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """The source's own rule keeps this row out of the pool (a picture, a year, a difficulty)."""

    why: str


class MissingColumnError(ValueError):
    """The row lacks what its source always has."""


def column(row: Columns, *names: str) -> str:
    """The first of these columns that is there and not empty, as text."""
    for name in names:
        if (value := optional(row, name)) != "":
            return value
    raise MissingColumnError(f"no {' or '.join(names)} (it has {', '.join(sorted(row))})")


def optional(row: Columns, name: str) -> str:
    value = row.get(name)
    return "" if value is None else str(value).strip()


@dataclass(frozen=True, slots=True)
class Source:
    """`draft` reads one raw row. `sample` and `group`: take so many, spread evenly over the groups."""

    name: str
    hub: tuple[Hub, ...]
    licence: str
    draft: Callable[[Columns], Draft | LeftOut]
    wanted: Callable[[Columns], bool] = lambda _: True
    """False: no part of this source at all, and too many to keep books of (NuminaMATH's other 800,000)."""
    sample: int | None = None
    group: Callable[[Columns], str] = lambda _: ""
