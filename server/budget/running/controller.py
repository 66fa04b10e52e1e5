"""The controller: the state machine of budget forcing for one sequence, one token at a time.

Pure: it says what must happen to the next token and is told which token came. It neither samples nor
knows of batches, texts or clocks.
"""

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Self

from server.budget.budget import NEVER, TokenIds
from server.budget.plan import Opening, Plan
from server.budget.running.action import FREE, LANDED, NONE, Action, ForcedKind, Phase
from server.budget.running.closing import close_in_place, close_when_due, reaches_maximum
from server.budget.running.opening import matched_with, may_open, standing
from server.budget.running.thinking_state import ThinkingState
from server.budget.text_marks import MarksMatch, TextMarks
from server.reasoning.ends import End


class Controller:
    """Follows one sequence through a plan: `next_action` before each token, `observe` after it."""

    __slots__ = (
        "_begun",
        "_last",
        "_marks",
        "_matched",
        "_reason",
        "_script",
        "_stood",
        "_text",
        "_then",
        "end",
        "forced",
        "phase",
        "plan",
        "position",
        "requested_at",
        "sampled_ends",
        "state",
        "waits_at",
    )

    def __init__(self, plan: Plan, requested_at: int = NEVER) -> None:
        self.plan = plan
        self.requested_at = requested_at
        """The output position from which a control request wants thinking closed."""
        self.position = 0
        """Output tokens so far."""
        self.state = ThinkingState(plan)
        """What thinking says so far."""
        self.waits_at: list[int] = []
        """The output positions at which an end, or a loop, was replaced by a nudge."""
        self.sampled_ends: dict[int, int] = {}
        """Where an end was sampled, kept or replaced, and which one."""
        self.forced: dict[int, ForcedKind] = {}
        """Output positions that were forced, and as part of what."""
        self.end: End | None = None
        """Why thinking closed; None while it has not."""
        self._script: list[tuple[int, ForcedKind]] = []
        self._then = Phase.THINKING
        self._begun = 0
        """Thinking tokens that are a part of the delimiter, once the script has begun."""
        self._reason: End | None = None
        """What made the script due, until its first token has come."""
        self._matched = 0
        """How many tokens of the start mark stand at the end of the output."""
        self._text = follow_marks(plan)
        """Marks that no single token identifies, followed through all that is not taken in at once."""
        self._stood = standing(0, self._text)
        """How much of the start mark stood before the last token, while thinking has not opened."""
        self._last = NONE
        self._marks: TokenIds = ()
        """Never sampled again, once thinking has closed in this message."""
        self.phase = Phase.BEFORE
        if plan.opening is Opening.OPEN:
            self.phase = Phase.THINKING
        elif plan.opening is Opening.CLOSED:
            self.end = End.NATURAL
            self._begin_answer()
        elif plan.opening is Opening.FORCE:
            self._force([(token, ForcedKind.START) for token in plan.start], Phase.THINKING)

    @classmethod
    def replay(
        cls, plan: Plan, output: Sequence[int], sampled_ends: Mapping[int, int], requested_at: int = NEVER
    ) -> Self:
        """The controller's state after `output`, given the positions at which an end was sampled."""
        controller = cls(plan, requested_at)
        for at, token in enumerate(output):
            controller.next_action()
            controller.observe(token, sampled_ends.get(at, NONE))
        return controller

    def fork(self) -> Self:
        """Another one that stands where this one stands, and goes its own way."""
        twin = copy(self)
        twin.state, twin.waits_at, twin._script = self.state.fork(), list(self.waits_at), list(self._script)
        twin.sampled_ends, twin.forced = dict(self.sampled_ends), dict(self.forced)
        twin._text = self._text.fork() if self._text is not None else None
        return twin

    @property
    def tokens(self) -> int:
        """Thinking tokens so far: nudges count, marks do not."""
        return self.state.tokens

    # -- before a token ------------------------------------------------------------------------

    def next_action(self) -> Action:
        """What must happen to the token at `position`. It may be called any number of times."""
        if self._may_close():
            self._close_or_nudge()
        if self.phase is Phase.FORCING:
            return Action(force=self._script[0][0])
        if self.phase is Phase.THINKING:
            return self._thinking_action()
        if self.phase is Phase.ANSWER:
            return Action(forbidden=self._forbidden()) if self._marks else FREE
        return self._opening_action()

    def _opening_action(self) -> Action:
        """Before thinking a delimiter would stand in the answer, after no thinking."""
        plan = self.plan
        if not plan.end_is_special:
            text = self._text if plan.forks_at is None else None
            return Action(forbidden=text.end.completing) if text else FREE
        return FREE if plan.end[0] == plan.start[0] else Action(forbidden=plan.end[:1])

    def steady_until(self) -> int:
        """The first output position whose action may differ from this one, if no watched token is sampled."""
        plan = self.plan
        is_followed = self._text is not None and (plan.text is None or not self._text.is_at_rest)
        if self.phase is Phase.ANSWER and (plan.end_is_special or not is_followed) and plan.forks_at is None:
            return NEVER
        if self.phase is not Phase.THINKING or is_followed:
            return self.position + 1
        until = min(plan.close_at, self.position + self.state.steady_for())
        if self.requested_at > self.position:
            until = min(until, self.requested_at)
        return max(until, self.position + 1)

    # -- after a token -------------------------------------------------------------------------

    def observe(self, token: int, sampled_end: int = NONE) -> None:
        """Take in `token`, which is at `position` now.

        `sampled_end` is the watched token that was sampled there, or LANDED, or NONE; `token` may have
        replaced it.
        """
        at, self.position, self._last = self.position, self.position + 1, token
        is_replaced = sampled_end != NONE and self._suppressing()
        close = self._close_in_place() if sampled_end != NONE else (self.plan.end, 0)
        if self._text is not None:
            self._text.take(token)
        if self.phase is Phase.FORCING:
            self._advance_script(at)
        elif self.phase is Phase.BEFORE:
            self._await_start(token)
        elif self.phase is Phase.ANSWER and self.plan.forks_at is not None:
            self._await_next_block(token)
        elif self.phase is Phase.ANSWER:
            pass
        elif sampled_end == NONE and self.state.is_at_mark and token != self.plan.end[1]:
            self._begin_step(at)
        elif sampled_end == NONE:
            self.state.take((token,))
            if self._text is not None and self._text.ended:
                self._end_of_text()
        else:
            self.sampled_ends[at] = sampled_end
            if is_replaced:
                self._begin_nudge(at, token)
            else:
                self._end_in_its_place(at, sampled_end, *close)

    def observe_plain(self, tokens: Sequence[int]) -> None:
        """Take in token ids at positions before `steady_until`, none of them watched; at least one."""
        self.position += len(tokens)
        self._last = tokens[-1]
        if self.phase is Phase.THINKING:
            self.state.take(tokens)

    # -- the rules -----------------------------------------------------------------------------

    def _may_close(self) -> bool:
        """Whether a close may begin here: inside thinking, a nudge's own tokens included.

        So the maximum holds to the token. A close whose first token has not come yet may still change its
        reason: a control request can come after the decision.
        """
        if self.phase is Phase.FORCING:
            return self._reason is not None or self._script[0][1] in (ForcedKind.NUDGE, ForcedKind.STEP)
        return self.phase is Phase.THINKING

    def _close_or_nudge(self) -> None:
        """What is due before the token at `position`, if anything is."""
        reason = self.state.due(self.position, self.requested_at)
        if reason is End.LOOP and self._suppressing():
            self._force_nudge(self.plan.steering.loop_nudge, reason)
        elif reason is not None:
            self._close(reason)
        elif self.phase is not Phase.THINKING or self.position - 1 in self.forced:
            pass  # a nudge that ends a paragraph would draw itself again and again
        elif self.state.draws_nudge(self.position):
            self._force_nudge(self._nudge())

    def _suppressing(self) -> bool:
        begun = self._text.end.tokens if self._text is not None else 0  # may be no thinking after all
        if self.tokens - begun < self.plan.min_tokens:
            return True
        return len(self.waits_at) < self.plan.num_waits and not self.state.in_grace

    def _nudge(self) -> TokenIds:
        return self.plan.nudges[len(self.waits_at) % len(self.plan.nudges)]

    def _thinking_action(self) -> Action:
        plan = self.plan
        watched = (*plan.end_of_turn, *plan.tool_call)
        if plan.end_is_distinct:
            watched = (plan.end[0], *watched)
        if self.state.is_at_mark:
            return Action(force=self.state.mark[1], spare=plan.end[1])
        suppressed, text = plan.steering.suppressed, self._text
        if self._suppressing():
            completing = text.end.completing if text is not None else ()
            nudge = self._nudge()[0]
            return Action(watched=watched, completing=completing, substitute=nudge, forbidden=suppressed)
        if text is not None and plan.ends_bare:
            suppressed = (*suppressed, *text.end.overrunning)
        if plan.steering.is_past_alpha(self.tokens):
            watched = (*watched, *plan.steering.slow_words)
        likely = plan.end[0] if plan.end_is_distinct and self.state.in_grace else NONE
        close = self._close_in_place()[0]
        return Action(watched=watched, substitute=close[0], forbidden=suppressed, likely=likely)

    def _begin_nudge(self, at: int, token: int) -> None:
        """`token` is the nudge's first, in the place of the end."""
        rest = self._nudge()[1:]
        self.waits_at.append(at)
        self.forced[at] = ForcedKind.NUDGE
        self.state.take((token,))
        self._force_nudge(rest)

    def _begin_step(self, at: int) -> None:
        """At `at` stands the second token of a step's mark."""
        _, second, *rest = self.state.mark
        self.forced[at] = ForcedKind.STEP
        self.state.take((second,))
        self._force([(token, ForcedKind.STEP) for token in rest], Phase.THINKING)

    def _force_nudge(self, nudge: TokenIds, reason: End | None = None) -> None:
        self._force([(token, ForcedKind.NUDGE) for token in nudge], Phase.THINKING, reason)

    def _end_of_text(self) -> None:
        """The model ended thinking with the last token, which has completed the delimiter."""
        assert self._text is not None
        self.state.give_back(self._text.end.tokens)  # the delimiter's own tokens were no thinking after all
        self.end = End.NATURAL
        self._begin_answer()

    def _end_in_its_place(self, at: int, sampled_end: int, close: TokenIds, begun: int) -> None:
        """Thinking ends with the token at `at`: the model ended it there, or nearly."""
        plan, is_due = self.plan, reaches_maximum(self.plan, self._text, self.tokens, close)
        self.state.give_back(begun)
        self.end = self._end_of(sampled_end)
        if sampled_end != plan.end[0]:
            self.forced[at] = ForcedKind.END
        script = [(rest, ForcedKind.END) for rest in close[1:]]
        if is_due:
            self.end = End.MAX_TOKENS
            script += self._way_to_answer()
        elif sampled_end in plan.tool_call:
            script.append((sampled_end, ForcedKind.TOOL_CALL))
        self._force(script, Phase.ANSWER)

    def _close_in_place(self) -> tuple[TokenIds, int]:
        return close_in_place(self.plan, self._text, self.tokens)

    def _way_to_answer(self) -> list[tuple[int, ForcedKind]]:
        """Behind the delimiter of a forced end."""
        transition = [(token, ForcedKind.END) for token in self.plan.transition]
        return [*transition, *((token, ForcedKind.CUE) for token in self.plan.cue)]

    def _end_of(self, sampled_end: int) -> End:
        if sampled_end == LANDED:
            return End.MAX_TOKENS
        if sampled_end in self.plan.end_of_turn:
            return End.END_OF_SEQUENCE
        return End.ALPHA if sampled_end in self.plan.steering.slow_words else End.NATURAL

    def _close(self, reason: End) -> None:
        plan = self.plan
        if reason is End.STEPS:  # the delimiter's first token stands; no cue, as in the paper
            self._force([(token, ForcedKind.END) for token in plan.end[1:]], Phase.ANSWER, reason)
            return
        close, self._begun = close_when_due(plan, self._text, self.tokens)
        needs_break = close == plan.end and bool(plan.line_breaks) and self._last not in plan.line_breaks
        script = [(token, ForcedKind.END) for token in (*(plan.line_break if needs_break else ()), *close)]
        self._force([*script, *self._way_to_answer()], Phase.ANSWER, reason)

    def _force(self, script: list[tuple[int, ForcedKind]], then: Phase, reason: End | None = None) -> None:
        self._script, self._then, self._reason = script, then, reason
        self.phase = Phase.FORCING
        if not script:
            self._end_script()

    def _advance_script(self, at: int) -> None:
        token, kind = self._script.pop(0)
        self.forced[at] = kind
        if kind in (ForcedKind.NUDGE, ForcedKind.STEP):
            self.state.take((token,))
        if self._reason is not None and kind is ForcedKind.NUDGE:
            self.waits_at.append(at)
        elif self._reason is not None:
            self.end = self._reason
            self.state.give_back(1 if self.end is End.STEPS else self._begun)
        self._reason = None
        if not self._script:
            self._end_script()

    def _end_script(self) -> None:
        if self._then is Phase.ANSWER:
            self._begin_answer()
        else:
            self.phase = self._then

    def _begin_answer(self) -> None:
        plan = self.plan
        self.phase = Phase.ANSWER
        if plan.forks_at is None:
            self._marks = (plan.start[0], plan.end[0])
        else:
            self._marks = plan.start[plan.forks_at : plan.forks_at + 1]

    def _forbidden(self) -> TokenIds:
        plan = self.plan
        if plan.forks_at is not None:
            is_over = self.end is not None and (self.end.is_forced or self.state.is_spent)
            if plan.reopens and not is_over:
                return ()
            if self._text is not None:
                return self._text.start.completing
            return self._marks if self._matched == plan.forks_at else ()
        return self._marks if plan.end_is_special or self._text is None else self._text.completing

    def _await_next_block(self, token: int) -> None:
        """In the answer: thinking opens again where the whole start mark comes."""
        start, text = self.plan.start, self._text
        self._matched = matched_with(self.plan, self._matched, token)
        if self._matched == len(start) if text is None else text.opened:
            self._matched, self.end = 0, None
            self.phase = Phase.THINKING

    def _await_start(self, token: int) -> None:
        start = self.plan.start
        if self._text is None:
            self._matched = matched_with(self.plan, self._matched, token)
        if self._matched == len(start) or (self._text is not None and self._text.opened):
            self._matched = 0
            self.phase = Phase.THINKING
            if self._text is not None and self._text.start.tail:
                self.state.take((token,))
            return
        stood, self._stood = self._stood, standing(self._matched, self._text)
        if not may_open(self.plan, token, stood, self._stood):
            self.end = End.NATURAL
            self._begin_answer()


def follow_marks(plan: Plan) -> MarksMatch | None:
    """The plan's marks, to be followed from the end of its prompt; None where single tokens identify them."""
    if plan.end_is_distinct:
        return None
    return MarksMatch(plan.text or TextMarks.of_tokens(plan.start, plan.end), plan.before)
