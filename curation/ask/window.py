"""Processes many rows concurrently and yields the results in the order of the rows."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from itertools import islice
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Work = Callable[[Item], Coroutine[Any, Any, Result]]


def in_window(
    items: Iterable[Item], opened: AbstractAsyncContextManager[Work[Item, Result]], size: int
) -> Iterator[Result]:
    """Yield the results of a coroutine function on each item, in order, with at most `size` in flight.

    `opened` is a context that provides the coroutine function.
    """
    with asyncio.Runner() as runner:
        window = _Window(iter(items), runner.run(opened.__aenter__()), size)
        try:
            while results := runner.run(window.advance()):
                yield from results
        finally:
            runner.run(window.end())
            runner.run(_closed(opened))


class _Window(Generic[Item, Result]):
    def __init__(self, items: Iterator[Item], work: Work[Item, Result], size: int) -> None:
        self._items, self._work, self._size = items, work, size
        self._tasks: deque[asyncio.Task[Result]] = deque()

    async def advance(self) -> list[Result]:
        """Start work up to the limit; wait for the oldest; return it and those finished after it."""
        for item in islice(self._items, self._size - len(self._tasks)):
            self._tasks.append(asyncio.create_task(self._work(item)))
        if self._tasks:
            await asyncio.wait({self._tasks[0]})
        results = []
        while self._tasks and self._tasks[0].done():
            results.append(self._tasks.popleft().result())
        return results

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _closed(opened: AbstractAsyncContextManager[Any]) -> None:
    await opened.__aexit__(None, None, None)
