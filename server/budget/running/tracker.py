"""The tracker: derives the outcome of a plan from the tokens that come out of the engine.

It sees where thinking opens and closes and why. It cannot see which nudges were forced (a model says "Wait"
by itself as well), nor that an end was forced where it was likely: those are in the worker's forced record.
"""

from collections.abc import Sequence

from server.budget.budget import NEVER, TokenIds
from server.budget.plan import Opening, Plan
from server.budget.running.action import Phase
from server.budget.running.closing import close_when_due
from server.budget.running.controller import follow_marks
from server.budget.running.opening import matched_with, may_open, standing
from server.budget.running.thinking_state import ThinkingState
from server.budget.text_marks import MarkMatch
from server.reasoning.ends import End


class ThinkingTracker:
    """Tracks one sequence: `feed` each output token once, in order, or several with `feed_plain`."""

    __slots__ = (
        "_closers",
        "_closing",
        "_matched",
        "_opening",
        "_stood",
        "_text",
        "answer_at",
        "answer_tail",
        "delimiter_size",
        "end",
        "marks",
        "phase",
        "plan",
        "position",
        "requested_at",
        "requested_by",
        "state",
        "thinking_at",
        "thinking_tail",
    )

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.position = 0
        self.state = ThinkingState(plan)
        self.requested_at = NEVER
        """The output position from which a control request closes thinking; set before that token is fed."""
        self.requested_by = End.REQUESTED
        """The end that such a close is reported as."""
        self.end: End | None = None
        self.thinking_at: int | None = None
        """The output position at which thinking begins, after its mark."""
        self.answer_at: int | None = None
        """The output position at which the answer begins, after the delimiter and before a cue."""
        self.thinking_tail = self.answer_tail = 0
        """Characters that the token before says of it: a mark of ordinary text may end within a token."""
        self.delimiter_size = 0
        """Characters of a delimiter of ordinary text, as it was spelled."""
        self._matched = 0
        self._opening = len(plan.start) if plan.opening is Opening.FORCE else 0
        self._closing = False
        self._text = follow_marks(plan)
        self._stood = standing(0, self._text)
        self._closers = frozenset((*plan.end[:2], *plan.line_break[:1]))
        """The tokens that a close can begin with; at any other token nothing need be asked."""
        begins = self._text.beginning if self._text is not None else ()
        self.marks = frozenset((*plan.start, *plan.end, *plan.line_break[:1], *begins))
        """The tokens at which the phase can change; between them come plain ones."""
        self.phase = Phase.BEFORE
        if plan.opening is Opening.OPEN:
            self.phase = Phase.THINKING
            self.thinking_at = 0
        elif plan.opening is Opening.CLOSED:
            self._answer(End.NATURAL)

    @property
    def tokens(self) -> int:
        """The number of thinking tokens so far: nudges count, marks do not."""
        return self.state.tokens

    @property
    def is_free(self) -> bool:
        """Whether the next token is the model's own choice inside the answer."""
        if self.answer_at is None:
            return False
        has_cue = self.end is not None and self.end.has_cue
        forced = len(self.plan.transition) + len(self.plan.cue) if has_cue else 0
        return self.position >= self.answer_at + forced

    @property
    def is_thinking(self) -> bool:
        """Whether thinking is open, or may still open, and has not begun to close."""
        return self.phase is not Phase.ANSWER and self.end is None

    def feed(self, token: int) -> None:
        """Take in the output token at `position`."""
        if self.phase is Phase.THINKING and not self._closing:
            self._begin_to_close(token)
        if self._text is not None:
            self._text.take(token)
        if self.phase is Phase.THINKING:
            self._feed_thinking(token)
        elif self.phase is Phase.BEFORE:
            self._feed_before(token)
        elif self.plan.reopens:
            self._feed_answer(token)
        self.position += 1
        if self.phase is Phase.ANSWER and self.answer_at is None:
            self.answer_at = self.position

    @property
    def is_plain(self) -> bool:
        """Whether nothing is under way that a token without a mark could change."""
        if self._text is not None and not self._text.is_at_rest:
            return False
        if self.phase is Phase.THINKING:
            return not self._closing
        return self.answer_at is not None

    def feed_plain(self, tokens: Sequence[int]) -> None:
        """Take in the next output tokens, at least one, where `is_plain` and none of them is in `marks`."""
        if self.phase is Phase.THINKING:
            self.state.take(tokens)
        self._matched = 0
        self.position += len(tokens)

    def feed_all(self, tokens: Sequence[int]) -> None:
        """Take in the next output tokens, whatever they are."""
        marks, began = self.marks, 0
        for at, token in enumerate(tokens):
            if self.is_plain and token not in marks:
                continue
            if began < at:
                self.feed_plain(tokens[began:at])
            self.feed(token)
            began = at + 1
        if began < len(tokens):
            self.feed_plain(tokens[began:])

    def finish(self, end: End) -> None:
        """The sequence is over; if thinking is still open, `end` says why."""
        if self.phase is Phase.BEFORE and not self._opening:
            self.end = End.NATURAL
            self.answer_at = 0 if self.position and not self._stood else None
        elif self.end is None:
            self.end = end

    def _begin_to_close(self, token: int) -> None:
        """Whether it begins is known before the token has changed how much of a mark stands."""
        close, begun = close_when_due(self.plan, self._text, self.state.tokens)
        if reason := self._due(token, close):
            self._closing, self.end, self._matched = True, reason, 0
            # In steps the delimiter's first token stands already.
            self.state.give_back(1 if reason is End.STEPS else begun)

    def _due(self, token: int, close: TokenIds) -> End | None:
        """Why thinking closes with this token, the first of `close`; None where it does not.

        A loop may have been answered by a nudge; and a delimiter of several tokens that replaced an end goes
        on, whatever is due meanwhile.
        """
        if token not in self._closers and token != close[0]:
            return None
        reason = self.state.due(self.position, self.requested_at)
        end = self.plan.end
        begins = (end[1],) if reason is End.STEPS else (close[0], *self.plan.line_break[:1])
        if token not in begins:
            return None
        return self.requested_by if reason is End.REQUESTED else reason

    def _feed_before(self, token: int) -> None:
        start, text = self.plan.start, self._text
        if text is None:
            self._matched = matched_with(self.plan, self._matched, token)
        if self._matched == len(start) or (text is not None and text.opened):
            self._matched = 0
            self.phase = Phase.THINKING
            self.thinking_at = self.position + 1
            if text is not None and text.start.tail:
                self.state.take((token,))
                self.thinking_tail = _characters(text.start.tail)
            return
        stood, self._stood = self._stood, standing(self._matched, text)
        if not self._opening and not may_open(self.plan, token, stood, self._stood):
            begun = self._matched  # a message may just begin
            self._answer(End.NATURAL)
            self._matched = begun

    def _feed_answer(self, token: int) -> None:
        """Thinking opens again where the whole start mark comes."""
        start, text = self.plan.start, self._text
        self._matched = matched_with(self.plan, self._matched, token)
        if self._matched == len(start) if text is None else text.opened:
            self._matched, self._closing = 0, False
            self.end = self.answer_at = None
            self.phase = Phase.THINKING

    def _feed_thinking(self, token: int) -> None:
        if (text := self._text) is not None:
            if not self._closing:
                self.state.take((token,))
            if text.ended:
                self._end_of_text(text.end)
            return
        end = self.plan.end
        self._matched = self._matched + 1 if token == end[self._matched] else int(token == end[0])
        if self._matched and not self._closing:
            self._closing, self.end = True, End.NATURAL
        if self._matched == len(end):
            self._answer(self.end or End.NATURAL)
        elif not self._closing:
            self.state.take((token,))

    def _end_of_text(self, delimiter: MarkMatch) -> None:
        """The last token has completed a delimiter that no single token identifies."""
        if not self._closing:
            self.state.give_back(delimiter.tokens)
        self.answer_tail, self.delimiter_size = _characters(delimiter.tail), _characters(delimiter.spelling)
        self._answer(self.end or End.NATURAL)

    def _answer(self, end: End) -> None:
        if self.phase is Phase.BEFORE:
            self.answer_at = 0  # nothing of the output is thinking
        self.end = end
        self.phase = Phase.ANSWER
        self._matched = 0


def _characters(text: bytes) -> int:
    return len(text.decode(errors="ignore"))
