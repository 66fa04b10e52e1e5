"""Majority voting: draw n samples at once and return the most frequent answer; ties go to the first given."""

from typing import Self

from pydantic import Field, model_validator

from server.scaling.method import Fields, Method, MethodContext, MethodResult
from server.scaling.share import draw
from server.scaling.vote import count, plurality, votes_report


class MajorityFields(Fields):
    """Give `n` samples, or `total_tokens` to draw as many as these thinking tokens pay for.

    With both, the n samples share the total.
    """

    n: int | None = Field(default=None, ge=1)
    total_tokens: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _says_how_many(self) -> Self:
        if self.n is None and self.total_tokens is None:
            raise ValueError("give n, or total_tokens, or both")
        return self


async def majority(fields: MajorityFields, context: MethodContext) -> MethodResult:
    """Draw, count, choose.

    Raises:
        BudgetError: `total_tokens` is too small for n samples.
    """
    samples = await draw(context, fields.n, fields.total_tokens)
    choices = await count(samples, context.equality)
    chosen = plurality(choices).samples[0] if choices else samples[0]
    return MethodResult(chosen, {"n": len(samples), "votes": votes_report(choices)})


MAJORITY = Method(MajorityFields, majority, draws=True, compares=True)
