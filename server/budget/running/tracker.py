"""The tracker: derives the outcome of a plan from the tokens that come out of the engine.

It sees where thinking opens and closes and why. It cannot see which nudges were forced (a model says "Wait"
by itself as well), nor that an end was forced where it was likely: those are in the worker's forced record.
"""

from collections.abc import Sequence

from server.budget.budget import NEVER
from server.budget.plan import Opening, Plan
from server.budget.running.controller import OPENS_WITHIN, Phase
from server.budget.running.thinking_state import ThinkingState
from server.reasoning.ends import End


class ThinkingTracker:
    """Tracks one sequence: `feed` each output token once, in order, or several with `feed_plain`."""

    __slots__ = (
        "_closers",
        "_closing",
        "_matched",
        "_opening",
        "answer_at",
        "end",
        "marks",
        "phase",
        "plan",
        "position",
        "requested_at",
        "requested_by",
        "state",
        "thinking_at",
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
        self._matched = 0
        self._opening = len(plan.start) if plan.opening is Opening.FORCE else 0
        self._closing = False
        self._closers = frozenset((*plan.end[:2], *plan.line_break[:1]))
        """The tokens that a close can begin with; at any other token nothing need be asked."""
        self.marks = frozenset((*plan.start, *plan.end, *plan.line_break[:1]))
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
        if self.end is None:
            self.end = End.NATURAL if self.phase is Phase.BEFORE and not self._opening else end

    def _due(self, token: int) -> End | None:
        """Why thinking closes with this token; None where it does not.

        A loop may have been answered by a nudge; and a delimiter of several tokens that replaced an end goes
        on, whatever is due meanwhile.
        """
        if token not in self._closers:
            return None
        reason = self.state.due(self.position, self.requested_at)
        end = self.plan.end
        begins = (end[1],) if reason is End.STEPS else (end[0], *self.plan.line_break[:1])
        if token not in begins:
            return None
        return self.requested_by if reason is End.REQUESTED else reason

    def _feed_before(self, token: int) -> None:
        start = self.plan.start
        self._matched = self._matched + 1 if token == start[self._matched] else int(token == start[0])
        if self._matched == len(start):
            self._matched = 0
            self.phase = Phase.THINKING
            self.thinking_at = self.position + 1
        elif not self._opening and self.position + 1 >= OPENS_WITHIN + len(start) - 1:
            self._answer(End.NATURAL)

    def _feed_answer(self, token: int) -> None:
        """Thinking opens again where the whole start mark comes."""
        start = self.plan.start
        self._matched = self._matched + 1 if token == start[self._matched] else int(token == start[0])
        if self._matched == len(start):
            self._matched, self._closing = 0, False
            self.end = self.answer_at = None
            self.phase = Phase.THINKING

    def _feed_thinking(self, token: int) -> None:
        plan = self.plan
        if not self._closing and (reason := self._due(token)):
            self._closing, self.end, self._matched = True, reason, 0
            if reason is End.STEPS:  # the delimiter's first token stands
                self._matched = 1
                self.state.give_back(1)
        self._matched = self._matched + 1 if token == plan.end[self._matched] else int(token == plan.end[0])
        if self._closing:
            if self._matched == len(plan.end):
                self._answer(self.end or End.NATURAL)
            return
        if plan.end_is_distinct and self._matched:
            self._closing, self.end = True, End.NATURAL
            if self._matched == len(plan.end):
                self._answer(End.NATURAL)
            return
        self.state.take((token,))
        if self._matched == len(plan.end):
            self.state.give_back(len(plan.end))
            self._answer(End.NATURAL)

    def _answer(self, end: End) -> None:
        self.end = end
        self.phase = Phase.ANSWER
        self._matched = 0
        if self.plan.opening is Opening.CLOSED:
            self.answer_at = 0
