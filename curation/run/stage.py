"""A stage is a function from rows to rows, each kept or dropped with a reason; most look at one row at a
time.

Decided here: the shapes. Which stages there are, and in which order, is the recipe's business.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from curation.row import Dropped, Outcome, Row

Run = Callable[[Iterable[Row]], Iterator[Outcome]]


@dataclass(frozen=True, slots=True)
class Stage:
    """`by_row`: what becomes of a row does not depend on the others, so the rows may be sharded."""

    name: str
    run: Run
    by_row: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row must go: the name that is counted, and what exactly was seen."""

    reason: str
    detail: str = ""


Rule = Callable[[Row], Fault | None]


@dataclass(frozen=True, slots=True)
class EachRow:
    """The first rule that finds a fault drops the row."""

    rules: tuple[Rule, ...]

    def __call__(self, rows: Iterable[Row]) -> Iterator[Outcome]:
        for row in rows:
            fault = self.fault(row)
            yield row if fault is None else Dropped(row, fault.reason, fault.detail)

    def fault(self, row: Row) -> Fault | None:
        return next((fault for rule in self.rules if (fault := rule(row))), None)


def filter_stage(name: str, *rules: Rule) -> Stage:
    return Stage(name, EachRow(rules), by_row=True)
