"""What a method of test-time scaling is: the fields it takes, a function from them to one answer, and what it
asks of the request around it.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict

from server.scaling.equality import Equality
from server.scaling.samples import Sample, SampleSource
from server.scaling.scorers.scorer import Scorer

Json = Mapping[str, Any]


class Fields(BaseModel):
    """What may stand beside `method` in `scaling`; every field is written in its own method's file."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


@dataclass(frozen=True, slots=True)
class Means:
    """What a method works with. `tell` is for those who watch: {"round": 3}."""

    source: SampleSource
    equality: Equality
    max_samples: int
    """The server's ceiling."""
    scorer: Scorer | None = None
    """Of a method that `scores`."""
    tell: Callable[[Json], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer, and what the response says of how it was found."""

    chosen: Sample
    said: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Method:
    """A row of METHODS."""

    fields: type[Fields]
    run: Callable[[Any, Means], Awaitable[Outcome]]
    """From its fields."""
    draws: bool = False
    """Its samples must differ: it takes no temperature 0."""
    compares: bool = False
    """It compares answers as texts: it takes no tools."""
    scores: bool = False
    """It needs a scorer; its fields have `scorer`."""
    needs_thinking: bool = False
    """It needs a model whose thinking marks are known."""
    takes_waits: bool = False
    """In pieces, and yet it replaces ends of thinking by the nudge."""
    in_pieces: bool = False
    """It asks for thinking in pieces: what needs one unbroken request it doesn't take."""
