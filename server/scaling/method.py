"""What defines a scaling method: its request fields, its function, and what it needs of the request."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict

from server.reasoning.equality import Equality
from server.scaling.samples import Sample, SampleSource
from server.scaling.scorers.scorer import Scorer

Json = Mapping[str, Any]


class Fields(BaseModel):
    """Base of each method's fields beside `method` in `scaling`; each method defines its own."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


@dataclass(frozen=True, slots=True)
class MethodContext:
    """What a method may use. `report_progress` sends an object such as {"round": 3} to a streaming client."""

    source: SampleSource
    equality: Equality
    max_samples: int
    """The server's ceiling, --max-scaling-samples."""
    scorer: Scorer | None = None
    """Set for methods that have `scores`."""
    report_progress: Callable[[Json], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class MethodResult:
    """The chosen sample, and what the response's `scaling` object says about how it was found."""

    chosen: Sample
    report: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Method:
    """A row of METHODS."""

    fields: type[Fields]
    run: Callable[[Any, MethodContext], Awaitable[MethodResult]]
    """Takes the validated fields and the context."""
    draws: bool = False
    """It needs differing samples: temperature 0 is refused."""
    compares: bool = False
    """It compares answers as texts: tools are refused."""
    scores: bool = False
    """It needs a scorer; its fields include `scorer`."""
    needs_thinking: bool = False
    """It needs a model whose thinking marks are known."""
    takes_waits: bool = False
    """It asks for thinking in pieces and still supports num_waits."""
    in_pieces: bool = False
    """It asks for thinking in pieces: options that need one unbroken request are refused."""
