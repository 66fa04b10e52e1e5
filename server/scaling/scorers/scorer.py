"""What a scorer is to a method."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class ScorerError(Exception):
    """The scorer cannot be had: it is down, or what it answers is no score."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is to be scored: an answer, or thinking step by step. `logprobs` are those of its newest part."""

    steps: tuple[str, ...]
    logprobs: tuple[float, ...] = ()


@dataclass(slots=True)
class Spent:
    """What a request's scores cost elsewhere."""

    calls: int = 0
    tokens: int = 0


class Scorer(Protocol):
    """For one request. The higher a score, the better; only the likelihood, and what an endpoint makes so, is
    within 0 and 1."""

    @property
    def name(self) -> str:
        """As the client calls it."""

    @property
    def wants_logprobs(self) -> bool:
        """Whether candidates need theirs."""

    @property
    def spent(self) -> Spent:
        """So far."""

    async def score(self, candidates: Sequence[Candidate]) -> list[float]:
        """One finite score each. Raises ScorerError."""


def said(scorer: Scorer) -> dict[str, Any]:
    """For the response."""
    return {"name": scorer.name, "calls": scorer.spent.calls, "tokens": scorer.spent.tokens}
