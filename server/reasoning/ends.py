"""The reasons for the end of thinking, in reports, logs and result rows; standard library only."""

from enum import StrEnum
from typing import Self


class End(StrEnum):
    """Why thinking ended.

    `is_forced`: the server ended it against the model's next token. `has_cue`: the cue for the answer
    follows.
    """

    _value_: str
    is_forced: bool
    has_cue: bool

    def __new__(cls, word: str, is_forced: bool = False, has_cue: bool = False) -> Self:
        """A member, from its value and the two columns."""
        member = str.__new__(cls, word)
        member._value_, member.is_forced, member.has_cue = word, is_forced, has_cue
        return member

    NATURAL = "natural"
    END_OF_SEQUENCE = "end_of_sequence"
    """The model ended its whole turn inside thinking: the delimiter was put there, and the answer follows."""
    OFF = "off", True
    """Nothing was to be thought. A report's word only: the prompt has closed it, or a maximum of 0 did."""
    MAX_TOKENS = "max_tokens", True, True
    CONTEXT = "context", True, True
    """Only the reserved tokens were left in the context window or max_completion_tokens."""
    REQUESTED = "requested", True, True
    """A control request ended it (`end_thinking`)."""
    QUOTA = "quota", True, True
    """The quota of its API key was exhausted."""
    LOOP = "loop", True, True
    """It ran in a loop."""
    STEPS = "max_steps", True, False
    """It counted down to its last step."""
    ALPHA = "alpha", True, False
    """It returned to slow thinking after AlphaOne's alpha_tokens."""
    LENGTH = "length"
    """The request reached its length limit during thinking: no answer."""
    STOP = "stop"
    """The request was stopped during thinking, for example by a stop string: no answer."""
    ERROR = "error"
    """The request failed during thinking: no answer."""
