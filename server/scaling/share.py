"""One budget for all samples: how many there are, and how long each may think."""

from dataclasses import replace
from math import floor

from server.budget.budget import UNLIMITED, BudgetError, ThinkingBudget
from server.scaling.method import Means
from server.scaling.samples import Ask, AskKind, Sample, together

TOTAL = "scaling.total_tokens"


def capped(budget: ThinkingBudget, tokens: int) -> ThinkingBudget:
    """The client's budget under a maximum of so many thinking tokens."""
    own = budget.max_tokens
    return replace(budget, max_tokens=tokens if own in (None, UNLIMITED) or own > tokens else own)


def equal_shares(budget: ThinkingBudget, n: int, total: int | None) -> list[ThinkingBudget]:
    """n budgets; the total is shared out to the last token. Raises BudgetError when it is too small."""
    if total is None:
        return [budget] * n
    least = max(1, budget.min_tokens or 0)
    if total // n < least:
        raise BudgetError(
            TOTAL, f"{TOTAL} ({total}) is too small for {n} samples of at least {least} thinking tokens each."
        )
    return [capped(budget, total // n + (at < total % n)) for at in range(n)]


async def draw(means: Means, n: int | None, total: int | None) -> list[Sample]:
    """n samples at once, the total shared out equally. Without n: as many of natural length as the total
    pays for, up to the server's ceiling."""
    if n is None:
        return await _draw_until_spent(means, total or 0)
    shares = equal_shares(means.source.budget, n, total)
    return await together(means.source.ask(Ask(AskKind.SAMPLE, budget=share)) for share in shares)


async def _draw_until_spent(means: Means, total: int) -> list[Sample]:
    """The first sample may take it all. Then as many at once as the rest pays for at the mean length so
    far, the rest shared out among them; again, until it pays for none, or thinking was ended from outside."""
    samples: list[Sample] = []
    count, left = 1, total
    while count:
        shares = equal_shares(means.source.budget, count, left)
        samples += await together(means.source.ask(Ask(AskKind.SAMPLE, budget=share)) for share in shares)
        if any(sample.is_ended_from_outside for sample in samples):
            break
        spent = sum(sample.thinking_tokens for sample in samples)
        left = total - spent
        count = min(floor(left * len(samples) / max(spent, 1)), means.max_samples - len(samples))
    return samples
