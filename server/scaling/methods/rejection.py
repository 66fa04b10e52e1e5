"""Rejection sampling: draw until a sample's thinking fits; every try is in the usage.

The paper draws without end (655 times on average at its smallest limit). Here the tries are bounded, one that
has grown too long is aborted at once, and the last one is closed at the limit, so that there is an answer.
"""

from pydantic import Field

from server.budget.budget import BudgetError
from server.budget.running.tracker import ThinkingTracker
from server.reasoning.ends import End
from server.scaling.method import Fields, Means, Method, Outcome
from server.scaling.samples import Ask, AskKind, Sample, abortable
from server.scaling.share import capped

LIMIT = "scaling.accept_up_to"


class RejectionFields(Fields):
    """A sample is accepted whose thinking has no more than `accept_up_to` tokens."""

    accept_up_to: int = Field(ge=1)
    tries: int = Field(default=64, ge=1)


async def rejection(fields: RejectionFields, means: Means) -> Outcome:
    limit, least = fields.accept_up_to, means.source.budget.min_tokens or 0
    if least > limit:
        raise BudgetError(LIMIT, f"{LIMIT} ({limit}) is below thinking_budget.min_tokens ({least}).")

    def is_too_long(tracker: ThinkingTracker) -> bool:
        return tracker.tokens > limit

    for _ in range(fields.tries - 1):
        sample = await abortable(means.source, Ask(AskKind.SAMPLE), is_too_long)
        if sample is not None:
            return _outcome(sample, limit)
    last = await means.source.ask(Ask(AskKind.SAMPLE, budget=capped(means.source.budget, limit)))
    return _outcome(last, limit)


def _outcome(sample: Sample, limit: int) -> Outcome:
    """Accepted is what fits by its own doing: neither closed at the limit, nor from outside."""
    is_closed_at_limit = sample.end == End.MAX_TOKENS and sample.thinking_tokens >= limit
    accepted = not (is_closed_at_limit or sample.is_ended_from_outside)
    return Outcome(sample, {"tries": sample.index + 1, "accepted": accepted})


REJECTION = Method(RejectionFields, rejection, draws=True, needs_thinking=True)
