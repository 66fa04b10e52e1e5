"""Longest: draw n samples; the m with the longest thinking vote ("last finish search", arXiv 2512.02008).

The counterpart of `short_m`, for models whose longer thinking is better. Ties go to the answer with the
longest thinking.
"""

from pydantic import Field

from server.scaling.method import Method, MethodContext, MethodResult
from server.scaling.methods.voters import VotersFields
from server.scaling.share import draw
from server.scaling.vote import count, most_voted, votes_report


class LongestFields(VotersFields):
    """Of `n` samples the `m` with the most thinking tokens vote."""

    m: int = Field(default=1, ge=1)


async def longest(fields: LongestFields, context: MethodContext) -> MethodResult:
    """Draw, count, choose.

    Raises:
        BudgetError: `total_tokens` is too small for n samples.
    """
    samples = await draw(context, fields.n, fields.total_tokens)
    ranked = sorted(samples, key=lambda sample: -sample.thinking_tokens)[: fields.m]
    choices = await count(ranked, context.equality)
    chosen = max(most_voted(choices, ranked), key=lambda sample: sample.thinking_tokens)
    return MethodResult(chosen, {"n": fields.n, "m": fields.m, "votes": votes_report(choices)})


LONGEST = Method(LongestFields, longest, draws=True, compares=True)
