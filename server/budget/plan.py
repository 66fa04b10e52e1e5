"""The plan: one request's budget in token ids and numbers, fixed before the engine sees the request."""

from collections.abc import Container, Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any, Self

from server.budget.budget import NEVER, UNLIMITED, TokenIds
from server.budget.steering import UNSTEERED, Steering
from server.budget.text_marks import MarkMatch, MarksMatch, TextMarks
from server.reasoning.ends import End
from server.reasoning.family import Family


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


class Habit(StrEnum):
    """Whether a model opens thinking by itself where its prompt has not decided it, by its chat template."""

    ALWAYS = "always"
    WHEN_TOLD = "when told"
    """The template has thinking off until a variable switches it on."""
    NEVER = "never"
    """The template knows no thinking mark, though the tokenizer does: Qwen3-Instruct-2507, Qwen3-Coder."""


@dataclass(frozen=True, slots=True)
class FamilyTokens:
    """A family's marks in the ids of one tokenizer.

    `end_is_distinct`: the first token of the delimiter identifies it (it is a special token), so an end is
    known, and can be dropped, when that token is sampled. Otherwise it is known at the token that completes
    it, and a nudge replaces that token only.
    """

    family: Family
    start: TokenIds
    end: TokenIds
    end_is_distinct: bool
    end_of_turn: TokenIds
    tool_call: TokenIds
    line_breaks: frozenset[int] = frozenset()
    assistant: TokenIds = ()
    """Tokens after which an assistant's turn begins in a prompt."""
    habit: Habit = Habit.ALWAYS
    transition: TokenIds = ()
    """What follows the delimiter where the server closes thinking: the way on to the answer."""
    reopens: bool = False
    """Whether thinking may come in several blocks; none opens once the budget is spent."""
    forks_at: int | None = None
    """Where answers are written with tokens of the marks: how many of the start mark's tokens begin other
    parts of a message as well. Only the one behind them is kept out of the answer. None: it has no mark."""
    header: TokenIds = ()
    """What begins the answer in a turn whose thinking is over or left out."""
    text: TextMarks | None = None
    """The marks where they are ordinary text, which tokens of many kinds can write; `start` and `end` are
    those that write them where they are forced."""
    blanks: frozenset[int] = frozenset()
    """The tokens of white space, which may come before the start mark."""

    def opening_of(self, prompt: Sequence[int]) -> Opening:
        """Where thinking stands at the end of a prompt (token ids): which mark is the last of its last turn.

        What stands before the last end of a turn, or before the assistant's header (a user's question
        about "<think>", an answer of long ago), says nothing.
        """
        turn = _last_of(prompt, frozenset((*self.end_of_turn, *self.assistant)))
        if self.text is not None:
            return _opening_of_text(self.text, prompt[turn + 1 :])
        opened = _last_index(prompt, self.start, turn)
        closed = _last_index(prompt, self.end, turn)
        if self.header:
            closed = max(closed, _last_index(prompt, self.header, turn))
        if opened > closed:
            return Opening.OPEN
        return Opening.CLOSED if closed >= 0 else Opening.AWAIT


@dataclass(frozen=True, slots=True)
class Plan:
    """One request's budget as it travels to the engine and as the controller executes it: ids and numbers.

    Positions count the request's output tokens from 0; thinking tokens are those between the marks.
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
    transition: TokenIds = ()
    """Forced after a forced end, before the cue."""
    reopens: bool = False
    """Whether thinking may come in several blocks, which all count."""
    forks_at: int | None = None
    """Where the start mark's tokens cease to be an answer's as well; None: no answer has any of them."""
    line_breaks: frozenset[int] = frozenset()
    """If not empty: a forced end is preceded by `line_break` unless thinking ends with one of these."""
    line_break: TokenIds = ()
    nudges: tuple[TokenIds, ...] = ()
    max_tokens: int = UNLIMITED
    is_off: bool = False
    """Whether nothing is to be thought. A piece that closes a chain has a maximum of 0, too, and is none."""
    min_tokens: int = 0
    num_waits: int = 0
    close_at: int = 0
    """The output position at which the close must begin, so that it and the answer's reserve fit."""
    room: int = 0
    """Tokens that the request may generate in all."""
    answer_reserve_tokens: int = 0
    steering: Steering = UNSTEERED
    text: TextMarks | None = None
    """The marks where they are ordinary text. It does not travel: the workers have it from the start."""
    blanks: frozenset[int] = frozenset()
    """The tokens of white space; they do not travel either."""
    before: TokenIds = ()
    """The prompt's last tokens, as far as they begin a mark of ordinary text."""
    ends_bare: bool = False
    """Whether a mark of ordinary text must end with its token: a grammar begins with the next."""

    @property
    def end_is_special(self) -> bool:
        """Whether the delimiter's first token is a mark, which no answer has.

        It is where the delimiter is distinct, and where steps are counted, but not where answers are written
        with the marks' tokens.
        """
        return (self.end_is_distinct or self.steering.max_steps > 0) and self.forks_at is None

    @property
    def max_thinking_tokens(self) -> int:
        """The upper bound of thinking tokens, by the maximum or by the room."""
        return self.close_at if self.max_tokens == UNLIMITED else min(self.max_tokens, self.close_at)

    @property
    def begun_end(self) -> str:
        """What of a delimiter of ordinary text stands at the prompt's end."""
        if self.text is None or not self.before:
            return ""
        end = MarksMatch(self.text, self.before).end
        return end.mark.begins[end.state].decode(
            errors="ignore"
        )  # half a character is written by what follows

    def due(self, tokens: int, position: int, requested_at: int = NEVER) -> End | None:
        """Why thinking must close before the output token at `position`; None where it need not.

        Args:
            tokens: Thinking tokens so far.
            position: Output tokens so far.
            requested_at: The output position from which a control request wants it closed.
        """
        if self.max_tokens != UNLIMITED and tokens >= self.max_tokens:
            return End.MAX_TOKENS
        if (
            position >= min(self.close_at, requested_at)
            and position + len(self.end) + len(self.transition) < self.room
        ):
            return End.CONTEXT if position >= self.close_at else End.REQUESTED
        return None

    def of_choice(self, index: int) -> Self:
        """The plan of one of n choices: its random draws have a seed of their own."""
        return replace(self, steering=replace(self.steering, seed=self.steering.seed + index))

    def to_wire(self) -> dict[str, Any]:
        """As plain lists and numbers, for SamplingParams.extra_args (msgpack)."""
        wire = {each.name: getattr(self, each.name) for each in fields(self)}
        del wire["blanks"]
        lists = {"line_breaks": sorted(self.line_breaks), "steering": self.steering.to_wire()}
        return {**wire, **lists, "text": self.text is not None}

    @classmethod
    def from_wire(
        cls, wire: dict[str, Any], text: TextMarks | None = None, blanks: frozenset[int] = frozenset()
    ) -> Self:
        """The inverse of `to_wire`; lists come back as tuples.

        `text`, `blanks`: the model's marks of ordinary text, and its tokens of white space.
        """
        given: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in wire.items()
        }
        given["opening"] = Opening(wire["opening"])
        given["line_breaks"] = frozenset(wire["line_breaks"])
        given["nudges"] = tuple(tuple(nudge) for nudge in wire["nudges"])
        given["steering"] = Steering.from_wire(wire["steering"])
        given["text"] = text if wire["text"] else None
        return cls(**given, blanks=blanks)


UNGOVERNED = Plan(
    opening=Opening.CLOSED, start=(), end=(), end_is_distinct=True, end_of_turn=(), close_at=0, room=0
)
"""The plan of a request on which no budget can be enforced: all its output is answer."""


def _opening_of_text(marks: TextMarks, turn: Sequence[int]) -> Opening:
    start, end, last = MarkMatch(marks.start), MarkMatch(marks.end), Opening.AWAIT
    for token in turn:
        if start.take(token):
            last = Opening.OPEN
        if end.take(token):
            last = Opening.CLOSED
    return last


def _last_of(ids: Sequence[int], marks: Container[int]) -> int:
    """The last position of any of these tokens, or -1."""
    return next((at for at in range(len(ids) - 1, -1, -1) if ids[at] in marks), -1)


def _last_index(ids: Sequence[int], mark: Sequence[int], after: int = -1) -> int:
    """The last position greater than `after` at which `mark` begins in `ids`, or -1."""
    length = len(mark)
    for at in range(len(ids) - length, after, -1):
        if ids[at] == mark[0] and tuple(ids[at : at + length]) == tuple(mark):
            return at
    return -1
