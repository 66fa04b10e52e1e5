"""Probes that decide whether the answer has settled, from the answer the model would give now.

`trial` compares short trial answers (Dynasor, arXiv 2412.20993); `entropy` uses the entropy of the answer's
first token (EAT, arXiv 2509.26522); `margin` asks for no answer, but how near the end of thinking is to the
likeliest next token (ThinkBrake, arXiv 2510.00546).
"""

from math import exp, log
from typing import Protocol

from server.budget.budget import ThinkingBudget, TokenIds
from server.budget.running.step import Step
from server.reasoning.equality import Equality, ballot
from server.scaling.samples import Ask, AskKind, SampleSource

TRIAL_TOKENS = 48
"""Maximum length of a trial answer, which otherwise ends at a line break."""
TOP_LOGPROBS = 20
"""Number of alternatives looked at: the entropy counts the rest as one more, and to the margin an end of
thinking that is not among them is far away."""
MAX_BLANK_TOKENS = 2
"""Maximum number of whitespace tokens skipped before the answer's first visible token."""
EAT_ALPHA = 0.2
EAT_MIN = 4
"""EAT's constants: the weight of a new value in the moving averages, and the minimum number of values."""


class Probe(Protocol):
    """A probe for one chain of thinking."""

    async def has_settled(self, chain: TokenIds) -> bool:
        """Whether the answer has settled; called at each probed sentence end, in order."""


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
        budget=ThinkingBudget(),  # thinking is closed: no budget applies
        temperature=0.0,
        logprobs=logprobs,
        max_completion_tokens=max_completion_tokens,
    )


class Trial:
    """Settled when `patience` trial answers in a row are equal."""

    def __init__(self, source: SampleSource, equality: Equality, patience: int) -> None:
        self._source = source
        self._equality = equality
        self._patience = patience
        self._last: str | None = None
        self._same = 0

    async def has_settled(self, chain: TokenIds) -> bool:
        """Ask for a trial answer and compare it with the previous one."""
        source = self._source
        got = await source.ask(_ask(source, chain, stop=("\n",), max_completion_tokens=TRIAL_TOKENS))
        last, trial = self._last, ballot(got.answer)
        is_same = trial is not None and last is not None and await self._equality.same(last, trial)
        self._same = self._same + 1 if is_same else int(trial is not None)
        self._last = trial
        return self._same >= self._patience


class Entropy:
    """Settled when the moving average of the entropy's variance falls below `variance`."""

    def __init__(self, source: SampleSource, variance: float) -> None:
        self._source = source
        self._min = variance
        self._mean = self._variance = 0.0
        self._seen = 0

    async def has_settled(self, chain: TokenIds) -> bool:
        """Ask for the answer's first token and update the moving averages."""
        source = self._source
        got = await source.ask(
            _ask(source, chain, logprobs=TOP_LOGPROBS, max_completion_tokens=MAX_BLANK_TOKENS + 1)
        )
        is_visible = [bool(source.marks.decode([token]).strip()) for token in got.tokens]
        at = is_visible.index(True) if any(is_visible) else None
        value = 0.0 if at is None else entropy(tuple(got.alternatives[at].values()))
        self._seen += 1
        self._mean += EAT_ALPHA * (value - self._mean)
        self._variance += EAT_ALPHA * ((value - self._mean) ** 2 - self._variance)
        bias = 1 - (1 - EAT_ALPHA) ** self._seen
        return self._seen >= EAT_MIN and self._variance / bias < self._min


class Margin:
    """Settled when the end of thinking is within `margin` nats of the likeliest next token."""

    def __init__(self, source: SampleSource, margin: float) -> None:
        self._source = source
        self._margin = margin
        # Of an end of several tokens the first decides whether it is begun.
        self._end = source.marks.family.end[0]

    async def has_settled(self, chain: TokenIds) -> bool:
        """Ask for one more token of thinking, which is discarded, and look at its alternatives."""
        got = await self._source.ask(
            Ask(
                AskKind.PROBE,
                prefix=chain,
                step=Step(max_tokens=1),
                budget=ThinkingBudget(),
                logprobs=TOP_LOGPROBS,
            )
        )
        known = got.alternatives[0] if got.alternatives else {}
        return self._end in known and max(known.values()) - known[self._end] <= self._margin


def entropy(logprobs: tuple[float, ...]) -> float:
    """The entropy in nats of a distribution known by its most likely values, `logprobs` of shape [k].

    The remaining probability counts as one further value.
    """
    known = [exp(each) for each in logprobs]
    rest = max(0.0, 1 - sum(known))
    return -sum(p * log(p) for p in (*known, rest) if p > 0)
