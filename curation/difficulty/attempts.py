"""Attempts of the solver models, whose solved problems are too easy: asked for, or read from files."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from curation.ask.endpoint import CachedEndpoint
from curation.ask.request import ModelAddress, Request
from curation.ask.settings import AskSettings
from curation.row import Attempt, Dropped, Outcome, Row
from curation.run.stage import AskedStage
from curation.traces.store import open_store
from curation.traces.teacher import TeacherSampling


@dataclass(frozen=True, slots=True)
class AskedAttempts(AskedStage[list[CachedEndpoint]]):
    """A stage: every solver answers every question. A row without a reply of each solver is dropped."""

    solvers: tuple[ModelAddress, ...]
    asking: AskSettings
    sampling: TeacherSampling

    @property
    def window(self) -> int:
        """The maximum number of rows in flight."""
        return self.asking.window

    def open(self) -> AbstractAsyncContextManager[list[CachedEndpoint]]:
        """The solvers' endpoints, as a context."""
        return self.asking.open(*self.solvers)

    async def work(self, row: Row, asked: list[CachedEndpoint]) -> Outcome:
        """Add every solver's attempt to the row.

        Raises:
            UnansweredError: An endpoint has no usable reply.
        """
        made = [await self._attempt(row, endpoint) for endpoint in asked]
        return replace(row, attempts=(*row.attempts, *made))

    async def _attempt(self, row: Row, endpoint: CachedEndpoint) -> Attempt:
        model = endpoint.place.model
        request = Request(
            model=model,
            prompt=row.problem.question,
            temperature=self.sampling.temperature,
            max_tokens=self.sampling.max_tokens,
            seed=self.sampling.seed,
            thinking_budget=self.sampling.thinking_budget,
        )
        reply = await endpoint.ask(request)
        return Attempt(model, reply.answer)


@dataclass(frozen=True, slots=True)
class BroughtAttempts:
    """A stage: `files` are (model, format, path); a row without an attempt of each model is dropped."""

    files: tuple[tuple[str, str, Path], ...]

    def __call__(self, rows: Iterable[Row]) -> Iterator[Outcome]:
        """Add the attempts in the files to each row."""
        models = tuple(dict.fromkeys(model for model, _, _ in self.files))
        stream: Iterator[Outcome] = iter(rows)
        for model in models:
            own = tuple((form, path) for name, form, path in self.files if name == model)
            stream = _with_attempts(stream, model, own)
        return stream


def _with_attempts(
    rows: Iterable[Outcome], model: str, files: tuple[tuple[str, Path], ...]
) -> Iterator[Outcome]:
    with open_store(files) as store:
        for row in rows:
            if isinstance(row, Dropped):
                yield row
            elif (found := store.find(row)) is None:
                yield Dropped(row, "no_attempt", f"of {model}")
            else:
                yield replace(row, attempts=(*row.attempts, Attempt(model, found.answer)))
