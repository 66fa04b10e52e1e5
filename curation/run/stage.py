"""A stage is a function from rows to outcomes: each row is kept or dropped with a reason.

Defines the types. Which stages run, and in which order, is defined by the recipe.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from curation.ask.request import UnansweredError
from curation.ask.window import in_window
from curation.row import Dropped, Outcome, Row

Asked = TypeVar("Asked")
Run = Callable[[Iterable[Row]], Iterator[Outcome]]


@dataclass(frozen=True, slots=True)
class Stage:
    """`by_row`: the outcome of a row does not depend on other rows, so that rows may be sharded.

    `check` sees all rows before the stage runs, in one place, and raises where the stage would be in vain.
    """

    name: str
    run: Run
    by_row: bool = False
    check: Callable[[Iterable[Row]], None] | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row is dropped: the name that is counted, and what exactly was found."""

    reason: str
    detail: str = ""


Rule = Callable[[Row], Fault | None]


@dataclass(frozen=True, slots=True)
class EachRow:
    """Drops a row on the first rule that finds a fault."""

    rules: tuple[Rule, ...]

    def __call__(self, rows: Iterable[Row]) -> Iterator[Outcome]:
        """Apply the rules to each row."""
        for row in rows:
            fault = self.fault(row)
            yield row if fault is None else Dropped(row, fault.reason, fault.detail)

    def fault(self, row: Row) -> Fault | None:
        """The first fault of a row, or None."""
        return next((fault for rule in self.rules if (fault := rule(row))), None)


def filter_stage(name: str, *rules: Rule) -> Stage:
    """A stage that applies rules to each row."""
    return Stage(name, EachRow(rules), by_row=True)


class AskedStage(ABC, Generic[Asked]):
    """A stage that asks endpoints about its rows, `window` at a time; the outcomes keep the rows' order.

    A row without a usable reply is dropped with the reason.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def window(self) -> int:
        """The maximum number of rows in flight."""

    @abstractmethod
    def open(self) -> AbstractAsyncContextManager[Asked]:
        """What is asked, as a context: entered before the first row, left after the last."""

    @abstractmethod
    async def work(self, row: Row, asked: Asked) -> Outcome:
        """The outcome of one row.

        Raises:
            UnansweredError: An endpoint has no usable reply.
        """

    def __call__(self, rows: Iterable[Row]) -> Iterator[Outcome]:
        """Yield the outcomes of the rows."""
        return in_window(rows, self._opened(), self.window)

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[Callable[[Row], Coroutine[Any, Any, Outcome]]]:
        async with self.open() as asked:

            async def work(row: Row) -> Outcome:
                try:
                    return await self.work(row, asked)
                except UnansweredError as error:
                    return Dropped(row, error.reason, error.detail)

            yield work
