"""The record of one choice that has ended, in whatever way: made once, read by metrics, log and spans.

A request has n choices for each of its prompts, and each is a request by itself here, as in vLLM's metrics.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from server.budget.budget import UNLIMITED
from server.budget.running.controller import ForcedKind
from server.budget.running.report import ThinkingReport
from server.reasoning.ends import End

ABORTED = "aborted"
"""The client went away, or the server stopped: no response, and so no `End`."""
NO_THINKING = "none"
"""It ended well, on a model whose thinking is not known."""
ENDS = (*(end.value for end in End), ABORTED, NO_THINKING)
KINDS = tuple(kind.value for kind in ForcedKind)
NO_FAMILY = "none"


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds on a monotonic clock, the first two since the request came; None: it never got there."""

    first_token_s: float | None
    first_answer_token_s: float | None
    thinking_s: float
    """From the first thinking token to the token that closed thinking, or to the request's end."""
    total_s: float


@dataclass(frozen=True, slots=True)
class ChoiceRecord:
    """What became of one choice. `end` is one of ENDS; `thinking` is what its response says, or would."""

    id: str
    choice: int
    model: str
    family: str
    end: str
    thinking: ThinkingReport
    prompt_tokens: int
    answer_tokens: int
    """All tokens that came out and are no thinking: the delimiter, a cue and the end of turn among them."""
    forced: Mapping[ForcedKind, int]
    """How many tokens were forced, and as part of what: the sum is `thinking.forced_tokens`."""
    is_clamped: bool
    """The server's ceiling cut the maximum that was asked for."""
    shows_answer: bool
    """The model's own answer, behind any forced cue, has something that can be seen."""
    times: Times
    prompt: str | None = None
    """Only where the operator wants prompts in the log."""
    key: str | None = None
    """The name of the API key that asked; None: the server has none."""

    @property
    def is_response(self) -> bool:
        """Whether the client got it whole."""
        return self.end not in (ABORTED, End.ERROR)

    @property
    def budget_used(self) -> float | None:
        """The share of the maximum that was thought; None without a maximum, or where it is 0."""
        maximum = self.thinking.max_tokens
        return None if maximum in (UNLIMITED, 0) else self.thinking.tokens / maximum
