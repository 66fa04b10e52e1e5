"""The plan: one request's budget in token ids and numbers, settled before the engine sees it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, NoReturn, Self

from server.budget.budget import NEVER as NEVER
from server.budget.budget import UNLIMITED, BudgetError, ThinkingBudget
from server.budget.budget import Encode as Encode
from server.budget.budget import TokenIds as TokenIds
from server.budget.lexicon import Lexicon
from server.budget.steering import UNSTEERED, Steering, make_steering
from server.reasoning.families import Family

DEFAULT_ANSWER_RESERVE_TOKENS = 256


class End(StrEnum):
    """Why thinking ended."""

    NATURAL = "natural"
    MAX_TOKENS = "max_tokens"
    CONTEXT = "context"
    """The answer's reserve, inside the context window or max_completion_tokens, was reached."""
    REQUESTED = "requested"
    """A control request ended it (`end_thinking`)."""
    QUOTA = "quota"
    """The quota of its API key was spent."""
    LOOP = "loop"
    """It repeated itself."""
    STEPS = "max_steps"
    """It counted down to its last step."""
    ALPHA = "alpha"
    """It went back to slow thinking behind AlphaOne's moment."""
    LENGTH = "length"
    """The request ran out of tokens inside thinking."""
    STOP = "stop"
    """The request was stopped from outside inside thinking."""
    ERROR = "error"


FORCED_ENDS = frozenset({End.MAX_TOKENS, End.CONTEXT, End.REQUESTED, End.QUOTA, End.LOOP})
"""The closes that are ours, with the cue behind them."""


class Opening(StrEnum):
    """Where thinking stands when generation begins."""

    OPEN = "open"
    """The prompt ends inside thinking."""
    AWAIT = "await"
    """The model may open it."""
    FORCE = "force"
    """The start mark is forced first."""
    CLOSED = "closed"
    """The prompt closed it; nothing is left to govern."""


@dataclass(frozen=True, slots=True)
class FamilyTokens:
    """A family's marks as one tokenizer writes them. `end_is_distinct`: its first token says it all
    (it is a special token), so an end is known, and can be dropped, when that token comes. Otherwise
    it is known at its last token, and a nudge then stands in the place of that last token only."""

    family: Family
    start: TokenIds
    end: TokenIds
    end_is_distinct: bool
    end_of_turn: TokenIds
    tool_call: TokenIds
    line_breaks: frozenset[int] = frozenset()

    def opening_of(self, prompt: Sequence[int]) -> Opening:
        """Read off the prompt: which mark stands last in its last turn, start or end.

        What stands before the last end of a turn (a user's question about "<think>", an answer of
        long ago) says nothing.
        """
        turn = max((_last_index(prompt, (mark,)) for mark in self.end_of_turn), default=-1)
        opened = _last_index(prompt, self.start, turn)
        closed = _last_index(prompt, self.end, turn)
        if opened > closed:
            return Opening.OPEN
        return Opening.CLOSED if closed >= 0 else Opening.AWAIT


@dataclass(frozen=True, slots=True)
class Plan:
    """Token ids and numbers only: this is what travels to the engine and what the controller follows.

    Positions count output tokens of the request from 0; thinking tokens count between the marks.
    """

    opening: Opening
    start: TokenIds
    end: TokenIds
    end_is_distinct: bool
    end_of_turn: TokenIds
    """Token ids that end the message; inside thinking each counts as an end."""
    tool_call: TokenIds = ()
    cue: TokenIds = ()
    """Forced after a forced end."""
    line_breaks: frozenset[int] = frozenset()
    """If not empty: a forced end is preceded by `line_break` unless thinking ends with one of these."""
    line_break: TokenIds = ()
    nudges: tuple[TokenIds, ...] = ()
    max_tokens: int = UNLIMITED
    min_tokens: int = 0
    num_waits: int = 0
    close_at: int = 0
    """The output position at which the close must begin, so that it and the answer's reserve fit."""
    room: int = 0
    """Tokens that the request may generate in all."""
    answer_reserve_tokens: int = 0
    steering: Steering = UNSTEERED

    @property
    def end_is_special(self) -> bool:
        """Whether the delimiter's first token is a mark, which no answer has: where it is distinct, and where
        steps are counted."""
        return self.end_is_distinct or self.steering.max_steps > 0

    @property
    def most_thinking_tokens(self) -> int:
        """What thinking cannot pass, by the maximum or by the room."""
        return self.close_at if self.max_tokens == UNLIMITED else min(self.max_tokens, self.close_at)

    def due(self, tokens: int, position: int, requested_at: int = NEVER) -> End | None:
        """Whether thinking must close now: `tokens` thinking tokens stand, `position` output tokens;
        from the position `requested_at` on a control request wants it closed."""
        if self.max_tokens != UNLIMITED and tokens >= self.max_tokens:
            return End.MAX_TOKENS
        if position >= min(self.close_at, requested_at) and position + len(self.end) < self.room:
            return End.CONTEXT if position >= self.close_at else End.REQUESTED
        return None

    def of_choice(self, index: int) -> Self:
        """For one of n choices: what is drawn is drawn for each by itself."""
        return replace(self, steering=replace(self.steering, seed=self.steering.seed + index))

    def to_wire(self) -> dict[str, Any]:
        """As plain lists and numbers, for SamplingParams.extra_args (msgpack)."""
        wire = asdict(replace(self, steering=UNSTEERED, line_breaks=frozenset()))
        return {**wire, "line_breaks": sorted(self.line_breaks), "steering": self.steering.to_wire()}

    @classmethod
    def from_wire(cls, wire: dict[str, Any]) -> Self:
        """The inverse of `to_wire`; lists come back as tuples."""
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in wire.items()
        }
        fields["opening"] = Opening(wire["opening"])
        fields["line_breaks"] = frozenset(wire["line_breaks"])
        fields["nudges"] = tuple(tuple(nudge) for nudge in wire["nudges"])
        fields["steering"] = Steering.from_wire(wire["steering"])
        return cls(**fields)


UNGOVERNED = Plan(
    opening=Opening.CLOSED, start=(), end=(), end_is_distinct=True, end_of_turn=(), close_at=0, room=0
)
"""Of a request that no budget can hold on: all that comes out is answer."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """What the request around a budget looks like when it is planned; counts in tokens."""

    prompt: Sequence[int]
    max_model_len: int
    max_completion_tokens: int | None = None
    has_tools: bool = False
    has_structure: bool = False
    asked: bool = True
    """False: the client named no budget, and the server has no default one."""
    seed: int = 0
    """The request's, for what is drawn."""


def make_plan(
    budget: ThinkingBudget,
    tokens: FamilyTokens,
    encode: Encode,
    occasion: Occasion,
    lexicon: Lexicon,
) -> Plan:
    """Settle a budget for one request. `lexicon`: the tokenizer's, for budgets that name words.

    Raises BudgetError when the budget cannot be kept: a reserve that does not fit, a closing message
    that would break a JSON answer or a tool call, a word that this tokenizer has no token for.
    """
    if budget.max_steps is not None:
        tokens = _counting(budget, tokens, encode, occasion)
    room = occasion.max_model_len - len(occasion.prompt)
    if occasion.max_completion_tokens is not None:
        room = min(room, occasion.max_completion_tokens)
    plan = Plan(
        opening=_opening(budget, tokens, occasion),
        start=tokens.start,
        end=tokens.end,
        end_is_distinct=tokens.end_is_distinct,
        end_of_turn=tokens.end_of_turn,
        tool_call=tokens.tool_call if occasion.has_tools else (),
        cue=_cue(budget, tokens, encode, occasion),
        line_breaks=tokens.line_breaks,
        line_break=encode("\n") if tokens.line_breaks else (),
        nudges=_nudges(budget, tokens, encode),
        max_tokens=UNLIMITED if budget.max_tokens is None else budget.max_tokens,
        min_tokens=budget.min_tokens or 0,
        num_waits=budget.num_waits or 0,
        room=room,
        steering=replace(_steering(budget, tokens, encode, lexicon), seed=occasion.seed),
    )
    reserve = _reserve(budget, plan)
    return replace(
        plan, answer_reserve_tokens=reserve, close_at=max(0, room - reserve - _closing_length(plan))
    )


def _opening(budget: ThinkingBudget, tokens: FamilyTokens, occasion: Occasion) -> Opening:
    found = tokens.opening_of(occasion.prompt)
    if found is not Opening.AWAIT:
        return found
    # Thinking that must happen, or must be seen to be skipped, is opened rather than hoped for.
    must_open = bool(budget.min_tokens or budget.num_waits or budget.max_steps or budget.max_tokens == 0)
    if tokens.family.always_opens or (occasion.asked and must_open):
        return Opening.FORCE
    return Opening.AWAIT


def _cue(budget: ThinkingBudget, tokens: FamilyTokens, encode: Encode, occasion: Occasion) -> TokenIds:
    if budget.end_message is not None:
        if budget.end_message and occasion.has_structure:
            raise BudgetError(
                "thinking_budget.end_message",
                "end_message cannot stand in front of a structured answer (response_format, a forced tool"
                ' call): leave it out, or set it to ""',
            )
        return encode(budget.end_message) if budget.end_message else ()
    if occasion.has_structure or occasion.has_tools:
        return ()
    return encode(tokens.family.cue)


def _nudges(budget: ThinkingBudget, tokens: FamilyTokens, encode: Encode) -> tuple[TokenIds, ...]:
    nudges = tuple(encode(nudge) for nudge in budget.nudge or (tokens.family.nudge,))
    marks = {tokens.end[0] if tokens.end_is_distinct else tokens.end[-1], *tokens.end_of_turn}
    for nudge in nudges:
        if not nudge:
            raise BudgetError("thinking_budget.nudge", "nudge has no token in this model's vocabulary")
        if marks.intersection(nudge):
            raise BudgetError("thinking_budget.nudge", "nudge must not contain an end-of-thinking mark")
    return nudges


def _counting(
    budget: ThinkingBudget, tokens: FamilyTokens, encode: Encode, occasion: Occasion
) -> FamilyTokens:
    """The same family, with thinking that opens by the first step's mark. Its delimiter begins as each
    step's mark does, so that it is known by its last token only."""

    def refuse(why: str) -> NoReturn:
        raise BudgetError("thinking_budget.max_steps", why)

    mark = tokens.family.step_mark
    if mark is None:
        refuse(f"models of the family {tokens.family.name} don't count steps")
    start = encode(mark.format(steps=budget.max_steps))
    if not tokens.end_is_distinct or start[:1] != tokens.end[:1]:
        refuse("this model's tokenizer has no token of its own for the mark of a step")
    if budget.num_waits or budget.min_tokens or budget.alpha_tokens is not None:
        refuse("max_steps goes with none of num_waits, min_tokens and alpha_tokens")
    if tokens.opening_of(occasion.prompt) is Opening.OPEN:
        refuse("max_steps needs a prompt that has not opened thinking yet")
    return replace(tokens, start=start, end_is_distinct=False)


def _steering(budget: ThinkingBudget, tokens: FamilyTokens, encode: Encode, lexicon: Lexicon) -> Steering:
    marks = tokens.end[:1] if tokens.end_is_distinct else tokens.end
    nudges = budget.nudge or (tokens.family.nudge,)
    return make_steering(budget, nudges, encode, lexicon, marks, tokens.family.step_mark)


def _closing_length(plan: Plan) -> int:
    return len(plan.line_break) + len(plan.end) + len(plan.cue)


def _reserve(budget: ThinkingBudget, plan: Plan) -> int:
    """What is kept for the answer: what was asked, or 256, or half of what there is if that is less."""
    available = max(0, plan.room - _closing_length(plan))
    if budget.answer_reserve_tokens is None:
        return min(DEFAULT_ANSWER_RESERVE_TOKENS, available // 2)
    if budget.answer_reserve_tokens > available:
        raise BudgetError(
            "thinking_budget.answer_reserve_tokens",
            f"answer_reserve_tokens is {budget.answer_reserve_tokens}, but the prompt and"
            f" max_completion_tokens leave {available} tokens for thinking and answer",
        )
    return budget.answer_reserve_tokens


def _last_index(ids: Sequence[int], mark: Sequence[int], after: int = -1) -> int:
    """The last position behind `after` at which `mark` stands in `ids`, or -1."""
    length = len(mark)
    for at in range(len(ids) - length, after, -1):
        if ids[at] == mark[0] and tuple(ids[at : at + length]) == tuple(mark):
            return at
    return -1
