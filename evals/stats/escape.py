"""The escape rate: how often thinking continues inside the answer after a forced close."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from server.reasoning.ends import End

FORCED = frozenset(end.value for end in End if end.is_forced)
# An answer is too long at this multiple of the 99th percentile of answers after a natural end.
TOO_LONG = 2.0


@dataclass(frozen=True, slots=True)
class Ending:
    """How a reply's thinking ended, whether its answer's text thinks on, and the answer's tokens."""

    end: str | None
    thinks_on: bool
    answer_tokens: int | None


def longest_answer(natural: Sequence[Ending]) -> float | None:
    """The length in tokens above which an answer counts as thinking; None without natural ends."""
    lengths = [e.answer_tokens for e in natural if e.end not in FORCED and e.answer_tokens is not None]
    return TOO_LONG * float(np.percentile(lengths, 99)) if lengths else None


def escape_rate(endings: Sequence[Ending], longest: float | None) -> float | None:
    """The share of forced closes after which thinking continued, by text or by length; None without any."""
    forced = [ending for ending in endings if ending.end in FORCED]
    if not forced:
        return None
    return sum(_escaped(ending, longest) for ending in forced) / len(forced)


def _escaped(ending: Ending, longest: float | None) -> bool:
    too_long = longest is not None and ending.answer_tokens is not None and ending.answer_tokens > longest
    return ending.thinks_on or too_long
