"""Ask the teacher: the question and nothing else, as the paper did; thinking and answer are kept apart."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace

from curation.ask.desk import Desk
from curation.ask.endpoint import Endpoint
from curation.ask.request import Place, Request
from curation.row import Outcome, Row
from curation.run.stage import AskedStage
from server.reasoning.records import Trace


@dataclass(frozen=True, slots=True)
class Sampling:
    """What the teacher is asked with; None leaves it to the endpoint's own default, as the paper did."""

    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    thinking_budget: str = ""


@dataclass(frozen=True, slots=True)
class Teacher(AskedStage[list[Endpoint]]):
    """A stage: rows that have a trace pass, the others are asked about."""

    place: Place
    desk: Desk
    sampling: Sampling = Sampling()

    @property
    def window(self) -> int:
        return self.desk.window

    def open(self) -> AbstractAsyncContextManager[list[Endpoint]]:
        return self.desk.open(self.place)

    async def work(self, row: Row, asked: list[Endpoint]) -> Outcome:
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
