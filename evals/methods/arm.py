"""An arm: one way to spend thinking on a problem, and the limit its method promises to keep.

Every method of test-time scaling is a function from a setting ("128", "2:Hmm", "short") to an arm.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from evals.errors import EvalError


class ArmError(EvalError):
    """A setting that a method cannot parse."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The `thinking_budget` object of a request; None fields are not sent."""

    max_tokens: int | None = None
    min_tokens: int | None = None
    num_waits: int | None = None
    nudge: str | None = None
    grace_tokens: int | str | None = None
    suppress: str | None = None
    alpha_tokens: int | None = None
    max_steps: int | None = None

    def as_json(self) -> dict[str, int | str]:
        """The object with the fields that are set."""
        pairs = {
            "max_tokens": self.max_tokens,
            "min_tokens": self.min_tokens,
            "num_waits": self.num_waits,
            "nudge": self.nudge,
            "grace_tokens": self.grace_tokens,
            "suppress": self.suppress,
            "alpha_tokens": self.alpha_tokens,
            "max_steps": self.max_steps,
        }
        return {name: value for name, value in pairs.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Promise:
    """The limits on thinking tokens that Control checks: a_min <= a <= a_max, or the natural stop."""

    at_least: float | None = None
    at_most: float | None = None
    than_natural: Literal["more", "less"] | None = None
    of_all: bool = False
    """Whether the limits apply to the thinking of all samples together."""


@dataclass(frozen=True, slots=True)
class Arm:
    """`name` is unique, e.g. "max=128".

    `accept_up_to`: a sample with more thinking tokens is redrawn, at most `tries` times.
    """

    method: str
    name: str
    budget: Budget = Budget()
    words: str = ""
    promise: Promise = Promise()
    accept_up_to: int | None = None
    tries: int = 1
    samples: int = 1
    sampled: bool = False
    scaling: Mapping[str, int | float | str] | None = None
    """The `scaling` object of a request."""


@dataclass(frozen=True, slots=True)
class EvalMethod:
    """A row of METHODS: its command-line flag, the flag's help, and the function from a setting to an arm."""

    flag: str
    help: str
    arm: Callable[[str], Arm]


def whole(flag: str, value: str, minimum: int = 0) -> int:
    """Parse a whole number of at least `minimum`.

    Raises:
        ArmError: The value is something else.
    """
    if not value.isascii() or not value.isdigit() or int(value) < minimum:
        raise ArmError(f"--{flag}: {value!r} is not a whole number from {minimum} up")
    return int(value)
