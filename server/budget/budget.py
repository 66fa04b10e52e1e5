"""The budget: what a client asked for, after every spelling of it was read; no token ids yet."""

from collections.abc import Callable
from dataclasses import dataclass

TokenIds = tuple[int, ...]
Encode = Callable[[str], TokenIds]

UNLIMITED = -1
TENTH = -1
"""Grace tokens: a tenth of the maximum."""
NEVER = 1 << 62
"""An output position, or a number of thinking tokens, that is never reached."""

NOWAIT_WORDS = (
    *("wait", "alternatively", "hmm", "but", "however", "alternative", "another", "check", "double-check"),
    *("oh", "maybe", "verify", "other", "again", "now", "ah", "any"),
)
"""NoWait's keywords (arXiv 2506.08343): the transitions most frequent in QwQ-32B's thinking on AIME 2025."""


class BudgetError(ValueError):
    """A client's mistake. `field` names the field as the client wrote it: "thinking_budget.min_tokens"."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class ThinkingBudget:
    """One request's budget, in tokens. None means: not asked, the server or the family decides."""

    max_tokens: int | None = None
    """Close thinking after this many thinking tokens; 0 at once, -1 never."""
    min_tokens: int | None = None
    """Below this many thinking tokens an end of thinking is replaced by the nudge."""
    num_waits: int | None = None
    """How many times an end of thinking is replaced by the nudge."""
    nudge: tuple[str, ...] | None = None
    """The strings appended instead of an end, cycled; never empty."""
    end_message: str | None = None
    """The cue after a forced close; "" for none."""
    answer_reserve_tokens: int | None = None
    """Tokens kept for the answer inside max_completion_tokens and the context window."""
    max_steps: int | None = None
    """Thinking counts down so many steps, in a family that marks them."""
    grace_tokens: int | None = None
    """In the last so many tokens below the maximum the close waits for a good place; TENTH for a tenth."""
    breaks_loops: bool | None = None
    """Whether thinking that repeats itself is ended."""
    suppress: tuple[str, ...] | None = None
    """Words that may not come inside thinking."""
    truncates: bool | None = None
    """Whether the request ends at the maximum, in place of the close and the answer."""
    announces: bool | None = None
    """Whether the model is told the maximum, behind the last question."""
    alpha_tokens: int | None = None
    """AlphaOne's moment: until then the nudge is put in at paragraph ends, from then on it ends thinking."""
