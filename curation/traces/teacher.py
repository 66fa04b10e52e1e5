"""Asks the teacher for a trace: the question alone, as in the paper; thinking and answer are kept apart."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace

from curation.ask.endpoint import CachedEndpoint
from curation.ask.request import ModelAddress, Request
from curation.ask.settings import AskSettings
from curation.row import Outcome, Row
from curation.run.stage import AskedStage
from server.reasoning.records import Trace


@dataclass(frozen=True, slots=True)
class TeacherSampling:
    """The teacher's sampling parameters; None leaves one to the endpoint's default, as in the paper."""

    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    thinking_budget: str = ""


@dataclass(frozen=True, slots=True)
class Teacher(AskedStage[list[CachedEndpoint]]):
    """A stage: rows that have a trace pass, the others are asked for."""

    place: ModelAddress
    asking: AskSettings
    sampling: TeacherSampling = TeacherSampling()

    @property
    def window(self) -> int:
        """The maximum number of rows in flight."""
        return self.asking.window

    def open(self) -> AbstractAsyncContextManager[list[CachedEndpoint]]:
        """The teacher's endpoint, as a context."""
        return self.asking.open(self.place)

    async def work(self, row: Row, asked: list[CachedEndpoint]) -> Outcome:
        """Ask for a trace of the row if it has none.

        Raises:
            UnansweredError: An endpoint has no usable reply.
        """
        if row.trace is not None:
            return row
        [endpoint] = asked
        reply = await endpoint.ask(self._request(row))
        trace = Trace(row.problem.id, reply.thinking, reply.answer, self.place.model, reply.thinking_tokens)
        return replace(row, trace=trace, finish_reason=reply.finish_reason)

    def _request(self, row: Row) -> Request:
        with_ = self.sampling
        return Request(
            model=self.place.model,
            prompt=row.problem.question,
            temperature=with_.temperature,
            max_tokens=with_.max_tokens,
            seed=with_.seed,
            thinking_budget=with_.thinking_budget,
        )
