"""Where forced tokens stand in the text: recorded positions as characters of thinking and answer."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from server.budget.budget import NEVER
from server.budget.plan import Plan
from server.budget.running.action import ForcedKind
from server.budget.running.tracker import ThinkingTracker

THINKING, ANSWER = "thinking", "answer"
_MARKS = frozenset({ForcedKind.START, ForcedKind.TOOL_CALL})
"""Stand in neither text."""


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `start` to `end` (Unicode code points, `end` exclusive) of one part were forced."""

    kind: str
    part: str
    """"thinking" or "answer"."""
    start: int
    end: int


def forceable(plan: Plan) -> frozenset[int]:
    """The token ids that the plan can force. A token that the model sampled itself may be among them."""
    nudges = (token for nudge in plan.nudges for token in nudge)
    marks = (*plan.start, *plan.line_break, *plan.end, *plan.transition, *plan.cue, *plan.tool_call)
    steps = (token for mark in plan.steering.step_marks for token in mark)
    return frozenset((*marks, *nudges, *plan.steering.loop_nudge, *steps))


def forced_spans(
    forced: Mapping[int, ForcedKind], tracker: ThinkingTracker, text_ends: Sequence[int]
) -> tuple[Span, ...]:
    """The forced spans of one sequence, in order; adjacent ones of a kind are one span.

    Args:
        forced: Output positions that were forced, and as part of what.
        tracker: The sequence's tracker, fed with the output.
        text_ends: [output tokens] The length of the output's text after each token, in characters.
    """
    spans: list[Span] = []
    for span in _pieces(forced, tracker, text_ends):
        last = spans[-1] if spans else None
        if last and (last.kind, last.part, last.end) == (span.kind, span.part, span.start):
            spans[-1] = Span(last.kind, last.part, last.start, span.end)
        else:
            spans.append(span)
    return tuple(spans)


def _pieces(
    forced: Mapping[int, ForcedKind], tracker: ThinkingTracker, text_ends: Sequence[int]
) -> Iterator[Span]:
    """One span per forced token, in order; tokens without a character have none."""

    def chars(tokens: int) -> int:
        """The length of the text of the first `tokens` tokens."""
        known = min(tokens, len(text_ends))
        # The last length is the smallest: a stop string truncates the text.
        return min(text_ends[known - 1], text_ends[-1]) if known > 0 else 0

    answer_at, marks = tracker.answer_at, tracker.plan.text
    began = chars(tracker.thinking_at or 0) - tracker.thinking_tail
    answer_began = chars(answer_at or 0) - tracker.answer_tail
    if answer_at is None:
        thinking_ended = chars(NEVER)
    elif marks is None:
        thinking_ended = chars(answer_at - len(tracker.plan.end))
    else:
        thinking_ended = answer_began - tracker.delimiter_size
    for at, kind in sorted(forced.items()):
        if at >= len(text_ends) or kind in _MARKS or (kind is ForcedKind.END and answer_at is None):
            continue  # which of the END tokens are the delimiter's is known when it is complete
        if answer_at is not None and at >= answer_at:
            piece = Span(kind.value, ANSWER, chars(at) - answer_began, chars(at + 1) - answer_began)
        else:
            end = min(chars(at + 1), thinking_ended)
            piece = Span(kind.value, THINKING, chars(at) - began, end - began)
        if piece.start < piece.end:
            yield piece
