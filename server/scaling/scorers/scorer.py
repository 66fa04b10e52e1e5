"""The interface between methods and scorers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class ScorerError(Exception):
    """The scorer cannot be reached, or its response is not a score."""


@dataclass(frozen=True, slots=True)
class Scorable:
    """What is scored: thinking step by step, an answer, or both. `logprobs` are those of its last part."""

    steps: tuple[str, ...] = ()
    """Of thinking, without its marks."""
    logprobs: tuple[float, ...] = ()
    is_ended: bool = False
    """Whether the thinking has ended: a line that gave up is worth less than one that may go on."""
    answer: str | None = None
    """None: thinking alone is scored."""


@dataclass(slots=True)
class ScorerUsage:
    """What the scores of a request cost elsewhere."""

    calls: int = 0
    tokens: int = 0


class Scorer(Protocol):
    """A scorer for one request.

    Higher is better. Only the likelihood, and an endpoint that says so, has scores within 0 and 1.
    """

    @property
    def name(self) -> str:
        """The name by which clients select it."""

    @property
    def wants_logprobs(self) -> bool:
        """Whether candidates need `logprobs`."""

    @property
    def usage(self) -> ScorerUsage:
        """The usage so far."""

    async def score(self, candidates: Sequence[Scorable]) -> list[float]:
        """One finite score per candidate, in order.

        Raises:
            ScorerError: The scorer failed.
        """


def scorer_report(scorer: Scorer) -> dict[str, Any]:
    """The scorer's part of the response's `scaling` object."""
    return {"name": scorer.name, "calls": scorer.usage.calls, "tokens": scorer.usage.tokens}
