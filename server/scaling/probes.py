"""Probes: has the answer settled? Each looks at the answer as it would be if thinking closed here.

`trial` asks for a trial answer and waits for it to stay the same (Dynasor, arXiv 2412.20993). `entropy` looks
at the answer's first token and waits for its entropy to stand still (EAT, arXiv 2509.26522).
"""

from math import exp, log
from typing import Protocol

from server.budget.budget import ThinkingBudget, TokenIds
from server.scaling.equality import Equality, ballot
from server.scaling.samples import Ask, AskKind, SampleSource

TRIAL_TOKENS = 48
"""A trial answer is short: it ends at a line's end, or here."""
LIKELIEST = 20
"""How many of the first token's alternatives the entropy is taken over; the rest counts as one more."""
BLANKS = 2
"""So many tokens that show nothing (a space, a line break) may stand in front of the first that does."""
EAT_ALPHA = 0.2
EAT_MIN = 4
"""EAT's own: the share of a new value in the moving averages, and how many values it takes to judge."""


class Probe(Protocol):
    """For one chain of thinking."""

    async def has_settled(self, chain: TokenIds) -> bool:
        """Called at one sentence end after another."""


def _ask(
    source: SampleSource,
    chain: TokenIds,
    *,
    max_completion_tokens: int,
    stop: tuple[str, ...] = (),
    logprobs: int | None = None,
) -> Ask:
    """Close thinking here and answer greedily."""
    return Ask(
        AskKind.PROBE,
        prefix=source.marks.closed(chain, source.budget),
        stop=stop,
        budget=ThinkingBudget(),  # thinking is closed: nothing of it is left to keep
        temperature=0.0,
        logprobs=logprobs,
        max_completion_tokens=max_completion_tokens,
    )


class Trial:
    """Settled when `patience` trial answers in a row are the same one."""

    def __init__(self, source: SampleSource, equality: Equality, patience: int) -> None:
        self._source = source
        self._equality = equality
        self._patience = patience
        self._last: str | None = None
        self._same = 0

    async def has_settled(self, chain: TokenIds) -> bool:
        source = self._source
        got = await source.ask(_ask(source, chain, stop=("\n",), max_completion_tokens=TRIAL_TOKENS))
        said = ballot(got.answer)
        is_same = said is not None and self._last is not None and await self._equality.same(self._last, said)
        self._same = self._same + 1 if is_same else int(said is not None)
        self._last = said
        return self._same >= self._patience


class Entropy:
    """Settled when the entropy's variance, as a moving average, falls below `variance`."""

    def __init__(self, source: SampleSource, variance: float) -> None:
        self._source = source
        self._min = variance
        self._mean = self._variance = 0.0
        self._seen = 0

    async def has_settled(self, chain: TokenIds) -> bool:
        source = self._source
        got = await source.ask(_ask(source, chain, logprobs=LIKELIEST, max_completion_tokens=BLANKS + 1))
        shown = [bool(source.marks.decode([token]).strip()) for token in got.tokens]
        value = entropy(got.alternatives[shown.index(True)]) if any(shown) else 0.0
        self._seen += 1
        self._mean += EAT_ALPHA * (value - self._mean)
        self._variance += EAT_ALPHA * ((value - self._mean) ** 2 - self._variance)
        bias = 1 - (1 - EAT_ALPHA) ** self._seen
        return self._seen >= EAT_MIN and self._variance / bias < self._min


def entropy(logprobs: tuple[float, ...]) -> float:
    """In nats, of a distribution whose likeliest values are known; what is missing counts as one value."""
    known = [exp(each) for each in logprobs]
    rest = max(0.0, 1 - sum(known))
    return -sum(p * log(p) for p in (*known, rest) if p > 0)
