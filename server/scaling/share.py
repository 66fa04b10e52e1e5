"""Sharing one budget among samples: how many there are, and how long each may think."""

from dataclasses import replace
from math import floor

from server.budget.budget import UNLIMITED, BudgetError, ThinkingBudget
from server.scaling.method import MethodContext
from server.scaling.samples import Ask, AskKind, Sample, together

TOTAL = "scaling.total_tokens"


def capped(budget: ThinkingBudget, tokens: int) -> ThinkingBudget:
    """The client's budget with a maximum of at most `tokens` thinking tokens."""
    own = budget.max_tokens
    return replace(budget, max_tokens=tokens if own in (None, UNLIMITED) or own > tokens else own)


def equal_shares(budget: ThinkingBudget, n: int, total: int | None) -> list[ThinkingBudget]:
    """n budgets that share `total` thinking tokens equally; without a total, n times the budget.

    Raises:
        BudgetError: The total is too small for n samples.
    """
    if total is None:
        return [budget] * n
    minimum = max(1, budget.min_tokens or 0)
    if total // n < minimum:
        raise BudgetError(
            TOTAL,
            f"{TOTAL} ({total}) is too small for {n} samples of at least {minimum} thinking tokens each.",
        )
    return [capped(budget, total // n + (at < total % n)) for at in range(n)]


async def draw(context: MethodContext, n: int | None, total: int | None) -> list[Sample]:
    """Draw n samples at once, sharing `total` thinking tokens equally.

    Without n: as many samples of natural length as the total pays for, up to the server's ceiling.

    Raises:
        BudgetError: The total is too small.
    """
    if n is None:
        return await _draw_until_spent(context, total or 0)
    shares = equal_shares(context.source.budget, n, total)
    return await together(context.source.ask(Ask(AskKind.SAMPLE, budget=share)) for share in shares)


async def _draw_until_spent(context: MethodContext, total: int) -> list[Sample]:
    """Draw samples until the total is spent, or thinking is ended from outside.

    The first sample may use all of it. Then as many are drawn at once as the rest pays for at the mean length
    so far, and so on.
    """
    samples: list[Sample] = []
    count, left = 1, total
    while count:
        shares = equal_shares(context.source.budget, count, left)
        samples += await together(context.source.ask(Ask(AskKind.SAMPLE, budget=share)) for share in shares)
        if any(sample.is_ended_from_outside for sample in samples):
            break
        spent = sum(sample.thinking_tokens for sample in samples)
        left = total - spent
        count = min(floor(left * len(samples) / max(spent, 1)), context.max_samples - len(samples))
    return samples
