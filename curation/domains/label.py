"""Gives each row without a domain one: a model chooses an MSC code; other replies are asked for again."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace

from curation.ask.endpoint import CachedEndpoint
from curation.ask.request import ModelAddress, Request
from curation.ask.settings import AskSettings
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
class Labeller(AskedStage[list[CachedEndpoint]]):
    """A stage: rows with a domain from their source pass without a request."""

    place: ModelAddress
    asking: AskSettings

    @property
    def window(self) -> int:
        """The maximum number of rows in flight."""
        return self.asking.window

    def open(self) -> AbstractAsyncContextManager[list[CachedEndpoint]]:
        """The labeller's endpoint, as a context."""
        return self.asking.open(self.place)

    async def work(self, row: Row, asked: list[CachedEndpoint]) -> Outcome:
        """Ask for the domain of the row if it has none.

        Raises:
            UnansweredError: An endpoint has no usable reply.
        """
        if row.problem.domain:
            return row
        [endpoint] = asked
        reply = ""
        for sample in range(TRIES):
            reply = (await endpoint.ask(self._request(row, sample))).answer.strip()
            if (code := code_of(reply)) in MSC:
                return replace(row, problem=replace(row.problem, domain=code))
        return Dropped(row, "no_domain", f"the model ends with {reply[-40:]!r}, which is no code")

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
    """The last two characters of a reply (s1's rule), before a final full stop or bold marks."""
    return text.rstrip(" .*`\n")[-2:]


def no_domain(row: Row) -> Fault | None:
    """A rule for runs without a labeller: drop rows without a domain."""
    return None if row.problem.domain else Fault("no_domain", "its source has none, and no model was asked")


@dataclass(frozen=True, slots=True)
class SourceAsDomain:
    """A stage for runs without a labeller: a row without a domain gets its source as domain."""

    def __call__(self, rows: Iterable[Row]) -> Iterator[Outcome]:
        """Set the domain of each row without one."""
        for row in rows:
            domain = row.problem.domain or f"source:{row.problem.source}"
            yield replace(row, problem=replace(row.problem, domain=domain))
