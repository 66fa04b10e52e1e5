"""Why thinking ended: the words of every report, log and result row; standard library only."""

from enum import StrEnum
from typing import Self


class End(StrEnum):
    """Why thinking ended. After the word: whether the server ended it, against what the model would have
    said next; and whether the cue for the answer follows."""

    _value_: str
    is_forced: bool
    has_cue: bool

    def __new__(cls, word: str, is_forced: bool = False, has_cue: bool = False) -> Self:
        """One member."""
        member = str.__new__(cls, word)
        member._value_, member.is_forced, member.has_cue = word, is_forced, has_cue
        return member

    NATURAL = "natural"
    MAX_TOKENS = "max_tokens", True, True
    CONTEXT = "context", True, True
    """The answer's reserve, inside the context window or max_completion_tokens, was reached."""
    REQUESTED = "requested", True, True
    """A control request ended it (`end_thinking`)."""
    QUOTA = "quota", True, True
    """The quota of its API key was spent."""
    LOOP = "loop", True, True
    """It repeated itself."""
    STEPS = "max_steps", True, False
    """It counted down to its last step."""
    ALPHA = "alpha", True, False
    """It went back to slow thinking after AlphaOne's moment."""
    LENGTH = "length"
    """The request ran out of tokens inside thinking: no answer."""
    STOP = "stop"
    """The request was stopped from outside inside thinking: no answer."""
    ERROR = "error"
    """The request failed inside thinking: no answer."""
