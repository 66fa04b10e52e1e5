"""Fields of the methods that draw n samples, of which m vote."""

from typing import Self

from pydantic import Field, model_validator

from server.scaling.method import Fields


class VotersFields(Fields):
    """Of `n` samples `m` vote."""

    n: int = Field(ge=1)
    m: int = Field(ge=1)
    total_tokens: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _m_is_within_n(self) -> Self:
        if self.m > self.n:
            raise ValueError(f"m ({self.m}) is above n ({self.n})")
        return self
