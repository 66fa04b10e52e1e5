"""Give every row without a domain one: a model chooses among the MSC codes. What is no code is
asked for again.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace

from curation.ask.desk import Desk
from curation.ask.endpoint import Endpoint
from curation.ask.request import Place, Request
from curation.domains.msc import MSC
from curation.row import Dropped, Outcome, Row
from curation.run.stage import AskedStage, Fault

SYSTEM = """\
You sort questions into fields of knowledge.
You are given a question and a list of fields, each with a code of two digits.
Choose the one field that fits best; where several do, the one that the question is mainly about.

Say in a sentence or two why, then write one last line that holds the code alone."""

TRIES = 3


@dataclass(frozen=True, slots=True)
class Labeller(AskedStage[list[Endpoint]]):
    """A stage: rows that their source gave a domain pass without a call."""

    place: Place
    desk: Desk

    @property
    def window(self) -> int:
        return self.desk.window

    def open(self) -> AbstractAsyncContextManager[list[Endpoint]]:
        return self.desk.open(self.place)

    async def work(self, row: Row, asked: list[Endpoint]) -> Outcome:
        if row.problem.domain:
            return row
        [endpoint] = asked
        said = ""
        for sample in range(TRIES):
            said = (await endpoint.ask(self._request(row, sample))).answer.strip()
            if (code := code_of(said)) in MSC:
                return replace(row, problem=replace(row.problem, domain=code))
        return Dropped(row, "no_domain", f"the model ends with {said[-40:]!r}, which is no code")

    def _request(self, row: Row, sample: int) -> Request:
        fields = "\n".join(f"{code} {title}" for code, title in MSC.items())
        return Request(
            model=self.place.model,
            prompt=f"# Question\n{row.problem.question}\n\n# Fields\n{fields}",
            system=SYSTEM,
            temperature=0.0 if sample == 0 else 1.0,
            seed=sample,
            sample=sample,
        )


def code_of(text: str) -> str:
    """The last two characters (s1's rule), after a full stop or bold marks."""
    return text.rstrip(" .*`\n")[-2:]


def no_domain(row: Row) -> Fault | None:
    return None if row.problem.domain else Fault("no_domain", "its source has none, and no model was asked")


@dataclass(frozen=True, slots=True)
class SourceAsDomain:
    """A stage for runs without a labeller: what has no domain of its own counts as its source's."""

    def __call__(self, rows: Iterable[Row]) -> Iterator[Outcome]:
        for row in rows:
            domain = row.problem.domain or f"source:{row.problem.source}"
            yield replace(row, problem=replace(row.problem, domain=domain))
