"""The record of one ended choice, however it ended: made once, read by metrics, log and trace spans.

A request has n choices for each of its prompts, and each counts as a request by itself, as in vLLM's metrics.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from server.budget.budget import UNLIMITED
from server.budget.running.action import ForcedKind
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
    """Seconds on a monotonic clock, the first two since the request's arrival; None: it never got there."""

    first_token_s: float | None
    first_answer_token_s: float | None
    thinking_s: float
    """From the first thinking token to the token that closed thinking, or to the request's end."""
    total_s: float


@dataclass(frozen=True, slots=True)
class ChoiceRecord:
    """One ended choice. `end` is one of ENDS; `thinking` is what its response reports, or would report."""

    id: str
    choice: int
    model: str
    family: str
    end: str
    thinking: ThinkingReport
    prompt_tokens: int
    answer_tokens: int
    """All output tokens that are no thinking: the delimiter, a cue and the end of turn are among them."""
    forced: Mapping[ForcedKind, int]
    """How many tokens were forced, and as part of what: the sum is `thinking.forced_tokens`."""
    is_clamped: bool
    """The server's ceiling cut the maximum that was asked for."""
    shows_answer: bool
    """Whether the model's own answer, after any forced cue, has a visible token."""
    times: Times
    prompt: str | None = None
    """Only where the operator wants prompts in the log."""
    key: str | None = None
    """The name of the API key that asked; None: the server has none."""

    @property
    def is_response(self) -> bool:
        """Whether the client got the complete choice."""
        return self.end not in (ABORTED, End.ERROR)

    @property
    def budget_used(self) -> float | None:
        """The share of the maximum that was thought; None without a maximum, or where it is 0."""
        maximum = self.thinking.max_tokens
        return None if maximum in (UNLIMITED, 0) else self.thinking.tokens / maximum
