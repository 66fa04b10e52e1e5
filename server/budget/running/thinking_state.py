"""The state of thinking: what follows from its tokens alone, and what is due.

Controller and tracker each keep one, so the API process knows from the output tokens why thinking closes,
without a call to the engine.
"""

from collections.abc import Sequence
from copy import copy
from typing import Self

from server.budget.budget import NEVER, UNLIMITED, TokenIds
from server.budget.loops import LoopWatch
from server.budget.plan import Plan
from server.reasoning.ends import End

NO_TOKEN = -1


class ThinkingState:
    """Takes in one sequence's thinking tokens in order, marks left out."""

    __slots__ = ("_last", "_last_but_one", "_loops", "plan", "steps_left", "tokens")

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.tokens = 0
        """How many: nudges count, marks do not."""
        self._last = self._last_but_one = NO_TOKEN
        self.steps_left = plan.steering.max_steps
        """The step that is being thought included; 0 where they are not counted."""
        rule = plan.steering.loop_rule
        self._loops = LoopWatch(rule) if rule is not None else None

    def fork(self) -> Self:
        """Another one that stands where this one stands, and goes its own way."""
        twin = copy(self)
        twin._loops = None if self._loops is None else self._loops.fork()
        return twin

    def take(self, tokens: Sequence[int]) -> None:
        """Take in the next token ids, at least one."""
        if self.is_at_mark and tokens[0] != self.plan.end[1]:
            self.steps_left -= 1
        self.tokens += len(tokens)
        self._last_but_one = tokens[-2] if len(tokens) > 1 else self._last
        self._last = tokens[-1]
        if self._loops is not None:
            self._loops.take(tokens)

    def give_back(self, count: int) -> None:
        """The last `count` tokens were part of a mark: they are not counted. Thinking is over."""
        self.tokens -= count

    def due(self, position: int, requested_at: int = NEVER) -> End | None:
        """Why thinking must close before the output token at `position`; None where it need not.

        For a loop the answer is that the loop must end, which a Wait that is left may do instead. It has no
        side
        effects: whoever asks, and however often, gets the same answer.
        """
        plan = self.plan
        if reason := plan.due(self.tokens, position, requested_at):
            return reason
        if self.in_grace and plan.steering.ends_sentence(self._last, self._last_but_one):
            return End.MAX_TOKENS
        if self.is_at_mark and self.steps_left == 1:
            return End.STEPS
        if self._is_looping() and position + len(plan.end) < plan.room:
            return End.LOOP
        return None

    @property
    def is_spent(self) -> bool:
        """Whether the maximum stands."""
        return self.plan.max_tokens != UNLIMITED and self.tokens >= self.plan.max_tokens

    @property
    def is_at_mark(self) -> bool:
        """Whether the first token of a step's mark, or of the delimiter, has just come."""
        return self.steps_left > 0 and self._last == self.plan.end[0]

    @property
    def mark(self) -> TokenIds:
        """The token ids of the next step's mark; there is one while two steps are left."""
        return self.plan.steering.step_marks[self.steps_left - 2]

    @property
    def in_grace(self) -> bool:
        """Whether the close of a soft landing may come."""
        return self.tokens >= self.plan.steering.land_from

    def draws_nudge(self, position: int) -> bool:
        """Whether AlphaOne inserts its nudge at the output position `position`."""
        steering = self.plan.steering
        return self._last in steering.paragraph_ends and steering.draws_nudge(self.tokens, position)

    def steady_for(self) -> int:
        """The number of tokens, at least 1, before anything may be due or the minimum is reached."""
        plan, tokens = self.plan, self.tokens
        if plan.steering.looks_at_each_token(tokens):
            return 1
        places = [plan.min_tokens, plan.steering.land_from]
        if plan.max_tokens != UNLIMITED:
            places.append(plan.max_tokens)
        if (rule := plan.steering.loop_rule) is not None:
            places.append(tokens + rule.stride - tokens % rule.stride)
        return min((place - tokens for place in places if place > tokens), default=NEVER)

    def _is_looping(self) -> bool:
        rule, loops = self.plan.steering.loop_rule, self._loops
        if rule is None or loops is None or self.tokens == 0 or self.tokens % rule.stride:
            return False
        return loops.is_looping
