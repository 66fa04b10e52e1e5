"""Longest: draw n samples; the m with the longest thinking vote ("last finish search", arXiv 2512.02008).

The counterpart of `short_m`, for models whose longer thinking is better. Ties go to the answer with the
longest thinking.
"""

from typing import Self

from pydantic import Field, model_validator

from server.scaling.method import Fields, Method, MethodContext, MethodResult
from server.scaling.samples import Sample
from server.scaling.share import draw
from server.scaling.vote import count, votes_report


class LongestFields(Fields):
    """Of `n` samples the `m` with the most thinking tokens vote."""

    n: int = Field(ge=1)
    m: int = Field(default=1, ge=1)
    total_tokens: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _m_is_within_n(self) -> Self:
        if self.m > self.n:
            raise ValueError(f"m ({self.m}) is above n ({self.n})")
        return self


async def longest(fields: LongestFields, context: MethodContext) -> MethodResult:
    """Draw, count, choose.

    Raises:
        BudgetError: `total_tokens` is too small for n samples.
    """
    samples = await draw(context, fields.n, fields.total_tokens)
    ranked = sorted(samples, key=lambda sample: -sample.thinking_tokens)[: fields.m]
    choices = await count(ranked, context.equality)
    votes = max((choice.weight for choice in choices), default=0.0)
    among = [sample for choice in choices if choice.weight == votes for sample in choice.samples] or ranked
    return MethodResult(_first_longest(among), {"n": fields.n, "m": fields.m, "votes": votes_report(choices)})


def _first_longest(samples: list[Sample]) -> Sample:
    return max(samples, key=lambda sample: sample.thinking_tokens)


LONGEST = Method(LongestFields, longest, draws=True, compares=True)
