"""Steering: how thinking is guided on its way: soft landing, loop breaker, NoWait, AlphaOne.

Each is off unless asked for, but the loop breaker. planning/make_steering.py says what each does, and why so.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from random import Random
from typing import Any, Self

from server.budget.budget import NEVER, TokenIds
from server.budget.loops import LoopRule

LIKELY = 0.1
"""The probability from which on an end is likely."""


@dataclass(frozen=True, slots=True)
class Steering:
    """Token ids and numbers only, part of the plan."""

    land_from: int = NEVER
    """From so many thinking tokens on the close may come at a good place."""
    sentence_ends: frozenset[int] = frozenset()
    points: frozenset[int] = frozenset()
    """Sentence ends that may be none after one of `digits`: "3." may go on as "3.14"."""
    digits: frozenset[int] = frozenset()
    loop_rule: LoopRule | None = None
    """None: loops are left alone."""
    loop_nudge: TokenIds = ()
    """In place of the loop's next token, while Waits are left; never begins like a close."""
    max_steps: int = 0
    """0: steps are not counted."""
    step_marks: tuple[TokenIds, ...] = ()
    """What stands where one step is left, two, ..., up to one less than `max_steps`."""
    suppressed: TokenIds = ()
    """Never sampled inside thinking."""
    alpha_tokens: int | None = None
    paragraph_ends: frozenset[int] = frozenset()
    slow_words: TokenIds = ()
    """From `alpha_tokens` on each is an end of thinking."""
    seed: int = 0
    """Of the nudges before `alpha_tokens`; of its own for each of n choices."""

    def ends_sentence(self, last: int, last_but_one: int) -> bool:
        """Whether a sentence or line ends with the token id `last`, which follows `last_but_one`."""
        return last in self.sentence_ends and not (last in self.points and last_but_one in self.digits)

    def draws_nudge(self, tokens: int, position: int) -> bool:
        """Whether the nudge is inserted after this paragraph, at `tokens` thinking tokens.

        The draw is fixed for each output position: whoever asks, and however often, gets the same answer.
        """
        if self.alpha_tokens is None or tokens >= self.alpha_tokens:
            return False
        return Random(f"{self.seed} {position}").random() < 1 - tokens / self.alpha_tokens

    @property
    def is_drawn(self) -> bool:
        """Whether anything depends on the seed."""
        return self.alpha_tokens is not None

    def is_past_alpha(self, tokens: int) -> bool:
        """Whether slow words are ends of thinking at `tokens` thinking tokens."""
        return self.alpha_tokens is not None and tokens >= self.alpha_tokens

    def looks_at_each_token(self, tokens: int) -> bool:
        """Whether something may be due after any token, from `tokens` thinking tokens on."""
        before_alpha = self.alpha_tokens is not None and tokens < self.alpha_tokens
        return before_alpha or tokens >= self.land_from

    def to_wire(self) -> dict[str, Any]:
        """As plain lists and numbers."""
        wire = {each.name: getattr(self, each.name) for each in fields(self)}
        wire |= {name: sorted(wire[name]) for name in _SETS}
        wire["loop_rule"] = asdict(self.loop_rule) if self.loop_rule else None
        return wire

    @classmethod
    def from_wire(cls, wire: dict[str, Any]) -> Self:
        """The inverse of `to_wire`."""
        given: dict[str, Any] = {
            name: tuple(value) if isinstance(value, Sequence) else value for name, value in wire.items()
        }
        given["step_marks"] = tuple(tuple(mark) for mark in wire["step_marks"])
        given |= {name: frozenset(wire[name]) for name in _SETS}
        given["loop_rule"] = LoopRule(**wire["loop_rule"]) if wire["loop_rule"] else None
        return cls(**given)


_SETS = ("sentence_ends", "points", "digits", "paragraph_ends")
UNSTEERED = Steering()
