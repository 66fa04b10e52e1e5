"""The sweep: run every problem of every cell that is not finished yet, concurrently, and seal the cells."""

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evals import manifest
from evals.cell import Cell
from evals.endpoint import Endpoint, EndpointError
from evals.errors import EvalError
from evals.grid import cells_of
from evals.journal import Journal
from evals.progress import Shown
from evals.settings import SweepSettings
from evals.solve import solve
from evals.tasks import task_named
from evals.tasks.task import Load, Task
from server.reasoning.grading.pool import GradingPool
from server.reasoning.records import Problem

Problems = Mapping[str, Sequence[Problem]]


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did: problems asked, problems already finished, seconds, tokens of the replies."""

    asked: int
    found: int
    seconds: float
    tokens: int

    def as_json(self) -> dict[str, float]:
        """The summary as stored in the manifest."""
        return {
            "asked": self.asked,
            "found": self.found,
            "seconds": round(self.seconds, 1),
            "tokens": self.tokens,
        }


async def sweep(settings: SweepSettings) -> Summary:
    """Run the sweep.

    Raises:
        EvalError: A setting or the output folder is wrong, or, without `go_on`, a request failed.
    """
    names = settings.task.split(",")
    tasks = [task_named(name.strip(), settings.data, settings.own_file) for name in names]
    problems = {task.name: _load(settings, task) for task in tasks}
    async with Endpoint(
        settings.base_url,
        settings.api_key,
        settings.timeout_s,
        settings.tries,
        settings.stream,
    ) as endpoint:
        listed = await endpoint.models()
        models = _models(settings, listed)
        cells = cells_of(settings, tasks, models)
        with Journal(settings.out) as journal:
            identities = _claim(settings, journal, cells, problems)
            server = {
                "base_url": settings.base_url,
                "version": await endpoint.version(),
                "models": [model for model in listed if model.get("id") in models],
            }
            runs = _runs(settings)
            manifest.write(settings.out, settings, identities, server, runs)
            async with GradingPool(max(1, (os.cpu_count() or 2) // 2)) as judge:
                summary = await _Run(settings, endpoint, judge, journal, problems).run(cells)
            if summary.asked:
                manifest.write(settings.out, settings, identities, server, [*runs, summary.as_json()])
    return summary


def _load(settings: SweepSettings, task: Task) -> Sequence[Problem]:
    limit = task.problems if settings.problems is None else settings.problems
    return task.load(Load(settings.data, limit, settings.seed))


def _models(settings: SweepSettings, listed: Sequence[Mapping[str, Any]]) -> list[str]:
    if settings.model:
        return [name.strip() for name in settings.model.split(",")]
    if not listed:
        raise EndpointError(f"the endpoint {settings.base_url} lists no model; name one with --model")
    return [str(listed[0]["id"])]


def _claim(
    settings: SweepSettings, journal: Journal, cells: Sequence[Cell], problems: Problems
) -> dict[str, dict[str, Any]]:
    """The identities of all cells of the folder, old and new."""
    identities = {cell.name: cell.identity(problems[cell.task.name]) for cell in cells}
    if settings.force:
        journal.empty()
        return identities
    return manifest.refuse_strangers(settings.out, identities) | identities


def _runs(settings: SweepSettings) -> list[dict[str, Any]]:
    """The summaries of earlier runs into this folder; none after --force."""
    stored = None if settings.force else manifest.read(settings.out)
    return list(stored["runs"]) if stored else []


class _Run:
    """One pass over the unfinished problems.

    Workers pull from one iterator, which bounds requests in flight.
    """

    def __init__(
        self,
        settings: SweepSettings,
        endpoint: Endpoint,
        judge: GradingPool,
        journal: Journal,
        problems: Problems,
    ) -> None:
        self._settings = settings
        self._endpoint = endpoint
        self._judge = judge
        self._journal = journal
        self._problems = problems
        self._left: dict[str, int] = {}

    async def run(self, cells: Sequence[Cell]) -> Summary:
        jobs: list[tuple[Cell, Problem]] = []
        found = 0
        for cell in cells:
            done = self._journal.done(cell)
            rest = [one for one in self._problems[cell.task.name] if one.id not in done]
            found += len(done)
            self._left[cell.name] = len(rest)
            jobs += [(cell, one) for one in rest]
            if not rest:
                self._seal(cell)
        with Shown(found + len(jobs), found) as progress:
            await self._work(iter(jobs), progress)
        return Summary(len(jobs), found, progress.seconds, progress.tokens)

    async def _work(self, jobs: Iterator[tuple[Cell, Problem]], progress: Shown) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._settings.concurrency):
                    group.create_task(self._worker(jobs, progress))
        except* EvalError as group_of_errors:
            error: BaseException = group_of_errors
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]
            first = error
        else:
            return
        raise first

    async def _worker(self, jobs: Iterator[tuple[Cell, Problem]], progress: Shown) -> None:
        for cell, problem in jobs:
            asked = self._settings
            row = await solve(
                cell, problem, self._endpoint, self._judge, go_on=asked.go_on, detail=asked.detail
            )
            self._journal.append(cell, row)
            progress.advance(f"{cell.task.name} {cell.arm.name}", row)
            self._left[cell.name] -= 1
            if not self._left[cell.name]:
                self._seal(cell)

    def _seal(self, cell: Cell) -> None:
        self._journal.seal(cell, [one.id for one in self._problems[cell.task.name]])
