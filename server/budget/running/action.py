"""What a controller says of the next token, and of those that it put in."""

from dataclasses import dataclass
from enum import StrEnum

from server.budget.budget import TokenIds
from server.budget.running.thinking_state import NO_TOKEN

NONE = NO_TOKEN
LANDED = -3
"""Stands for a sampled end where none was sampled: it was likely, and was put there."""


class Phase(StrEnum):
    """Where the sequence stands."""

    BEFORE = "before"
    FORCING = "forcing"
    THINKING = "thinking"
    ANSWER = "answer"


class ForcedKind(StrEnum):
    """What a forced token is part of."""

    START = "start"
    NUDGE = "nudge"
    STEP = "step"
    """The mark that counts the steps down, after its first token."""
    END = "end"
    CUE = "cue"
    TOOL_CALL = "tool_call"
    """The model's own mark, moved after the delimiter that the model had omitted."""


@dataclass(frozen=True, slots=True)
class Action:
    """What must happen to the next token.

    force: it is this one, whatever is sampled. watched: sampling one of these is an end of thinking,
    and `substitute` is put in its place. completing: as watched; there can be hundreds. forbidden: never
    sampled. likely: it is this one where it is likely, and no watched one was sampled. spare: sampled, it
    stays in the place of a forced one.
    """

    force: int = NONE
    watched: TokenIds = ()
    completing: TokenIds = ()
    substitute: int = NONE
    forbidden: TokenIds = ()
    likely: int = NONE
    spare: int = NONE


FREE = Action()
