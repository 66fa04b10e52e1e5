"""Rejection sampling: draw until a sample's thinking is short enough; all tries are billed.

The paper draws without a bound (655 times on average at its smallest limit). Here the number of tries is
bounded, a sample that exceeds the limit is aborted at once, and the last try is cut at the limit, so that
there is always an answer.
"""

from pydantic import Field

from server.budget.budget import BudgetError
from server.budget.running.tracker import ThinkingTracker
from server.reasoning.ends import End
from server.scaling.method import Fields, Method, MethodContext, MethodResult
from server.scaling.samples import Ask, AskKind, Sample, abortable
from server.scaling.share import capped

LIMIT = "scaling.accept_up_to"


class RejectionFields(Fields):
    """A sample is accepted if its thinking has at most `accept_up_to` tokens; at most `tries` are drawn."""

    accept_up_to: int = Field(ge=1)
    tries: int = Field(default=64, ge=1)


async def rejection(fields: RejectionFields, context: MethodContext) -> MethodResult:
    """Draw until accepted; cut the last try at the limit.

    Raises:
        BudgetError: `accept_up_to` is below the budget's min_tokens.
    """
    limit, min_tokens = fields.accept_up_to, context.source.budget.min_tokens or 0
    if min_tokens > limit:
        raise BudgetError(LIMIT, f"{LIMIT} ({limit}) is below thinking_budget.min_tokens ({min_tokens}).")

    def is_too_long(tracker: ThinkingTracker) -> bool:
        return tracker.tokens > limit

    for _ in range(fields.tries - 1):
        sample = await abortable(context.source, Ask(AskKind.SAMPLE), is_too_long)
        if sample is not None:
            return _outcome(sample, limit)
    last = await context.source.ask(Ask(AskKind.SAMPLE, budget=capped(context.source.budget, limit)))
    return _outcome(last, limit)


def _outcome(sample: Sample, limit: int) -> MethodResult:
    """Accepted means: the thinking fits without being cut at the limit or ended from outside."""
    is_closed_at_limit = sample.end == End.MAX_TOKENS and sample.thinking_tokens >= limit
    accepted = not (is_closed_at_limit or sample.is_ended_from_outside)
    return MethodResult(sample, {"tries": sample.index + 1, "accepted": accepted})


REJECTION = Method(RejectionFields, rejection, draws=True, needs_thinking=True)
