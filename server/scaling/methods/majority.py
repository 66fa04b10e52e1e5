"""Majority voting: n samples at once, the answer most often given; of equals the one first given."""

from typing import Self

from pydantic import Field, model_validator

from server.scaling.method import Fields, Means, Method, Outcome
from server.scaling.share import draw
from server.scaling.vote import count, first_of_most, listed


class MajorityFields(Fields):
    """`n` samples; or as many as `total_tokens` of thinking pay for; or n that share them."""

    n: int | None = Field(default=None, ge=1)
    total_tokens: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _says_how_many(self) -> Self:
        if self.n is None and self.total_tokens is None:
            raise ValueError("give n, or total_tokens, or both")
        return self


async def majority(fields: MajorityFields, means: Means) -> Outcome:
    samples = await draw(means, fields.n, fields.total_tokens)
    choices = await count(samples, means.equality)
    chosen = first_of_most(choices).samples[0] if choices else samples[0]
    return Outcome(chosen, {"n": len(samples), "votes": listed(choices)})


MAJORITY = Method(MajorityFields, majority, draws=True, compares=True)
