"""Records of ended choices for tests, and a clock set by hand."""

from typing import Any

from server.budget.running.action import ForcedKind
from server.budget.running.report import ThinkingReport
from server.observability.record import ChoiceRecord, Times

REPORT = ThinkingReport(30, 40, 0, 2, 2, 7, "natural")
TIMES = Times(first_token_s=0.1, first_answer_token_s=0.9, thinking_s=0.75, total_s=1.5)


def ended(**changes: Any) -> ChoiceRecord:
    """A choice with 30 of 40 tokens of thinking, two of them nudges, and an answer."""
    given: dict[str, Any] = {
        "id": "chatcmpl-1",
        "choice": 0,
        "model": "s1-nano",
        "family": "think",
        "end": "natural",
        "thinking": REPORT,
        "prompt_tokens": 21,
        "answer_tokens": 9,
        "forced": {ForcedKind.NUDGE: 2, ForcedKind.CUE: 5},
        "is_clamped": False,
        "shows_answer": True,
        "times": TIMES,
        "key": "alice",
    }
    return ChoiceRecord(**{**given, **changes})


class Clock:
    """A clock that changes only when it is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now
