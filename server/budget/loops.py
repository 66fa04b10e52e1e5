"""Does thinking run in a loop? A rule on token ids, asked every 64 of them; the same wherever it is followed.

Thinking loops when its end is a copy, token for token, of what stood one period before, and either
1. one unit stands 4 times in a row, and that is 400 tokens or more; or
2. the copy is 2,048 tokens long, as when a long chain of thought is said over again word for word;
or, without an exact period,
3. its phrases recur: a token is a copy where it is part of 8 tokens or more that stood within the last 4,096
   already (looked up every fourth token). A sum grows by the copied tokens and shrinks by 0.6 a token, never
   below 0; at 1,500 thinking loops. It is a CUSUM test for a share of copied tokens above 60%, and takes at
   least 3,750 tokens of pure repetition.
A text that counts on ("then 1718, then 1726, ...") is none: what is copied between two numbers is too short.

Measured (`python -m server.engine.bench.loops`) on the 4,440 real traces that the limits were chosen on, of
Sky-T1, Qwen2.5-3B with and without Waits, and Qwen2.5-14B; 7.1 million tokens of their own tokenizer. It
stops 234. Curation's rule on text flags 231 of the 232 that rules 1 and 2 stop; the last is 973 tokens said
three times over. 228 of these go on word for word to their last token, five that were graded right among
them; four leave their loop later, all graded wrong. Rule 3 stops two more, both graded wrong (one never
answers in 32,372 tokens). None is among the 1,054 right answers without Waits, nor the 1,246 right ones
with Waits; of all 3,635 right answers that are not stopped none gets above half of rule 3's limit. It stops
all of the 54 traces longer than 16,000 tokens, by when a fifth of their tokens was written. About 1
microsecond of CPU time a token, 0.4 of it for rules 1 and 2.
"""

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class LoopRule:
    """The rule's limits, in tokens; the defaults are those above."""

    stride: int = 64
    """It is asked when the thinking tokens are a multiple of this."""
    fewest_copies: int = 4
    fewest_tokens: int = 400
    """200 gave no false alarm on the traces either; but a blank grid in a puzzle's solution is as long."""
    longest_copy: int = 2048
    longest_period: int = 8192
    """What stood longer ago than this is forgotten."""
    tail: int = 64
    """The period is where the last so many tokens stood last."""
    shortest_phrase: int = 8
    """At most `longest_copy`."""
    phrase_stride: int = 4
    """A phrase is looked for when the thinking tokens are a multiple of this."""
    phrase_window: int = 4096
    """At most `longest_period`."""
    copied_share: float = 0.6
    copied_limit: int = 1500


SETTLE_AFTER_STRIDES = 16
"""So many strides of new tokens are kept apart, eight bytes each, before they join the text."""


class LoopWatch:
    """Takes in the token ids of one sequence's thinking; keeps 10,240 of them at most, four bytes each."""

    __slots__ = ("_copied_to", "_copied_total", "_count", "_new", "_rule", "_text")

    def __init__(self, rule: LoopRule) -> None:
        self._rule = rule
        self._count = 0
        """Tokens taken in so far."""
        self._copied_to = 0
        """How many tokens stood at the end of the last copied phrase."""
        self._copied_total = 0.0
        """The sum of rule 3."""
        self._text = ""
        """A character a token: there is no faster search here than that of a string in a string."""
        self._new: list[int] = []

    def fork(self) -> Self:
        """Another one that has seen the same text, and goes its own way."""
        twin = copy(self)
        twin._new = list(self._new)
        return twin

    def take(self, tokens: Iterable[int]) -> None:
        """The next tokens."""
        self._new += tokens
        if len(self._new) >= SETTLE_AFTER_STRIDES * self._rule.stride:  # it may not be asked for long
            self._settled()

    @property
    def is_looping(self) -> bool:
        """Whether the text loops as it stands now."""
        rule, text = self._rule, self._settled()
        if self._copied_total >= rule.copied_limit:
            return True
        tail_at = len(text) - rule.tail
        seen_at = text.rfind(text[tail_at:], 0, len(text) - 1) if tail_at > 0 else -1
        period = tail_at - seen_at
        if seen_at < 0 or period > rule.longest_period:
            return False
        units = max((rule.fewest_copies - 1) * period, rule.fewest_tokens - period)
        copied = min(units, rule.longest_copy)
        return copied + period <= len(text) and text[-copied:] == text[-copied - period : -period]

    def _settled(self) -> str:
        if self._new:
            # A token that is still on its way is -1, which is no character.
            before, self._count = self._count, self._count + len(self._new)
            self._text += "".join(chr(max(token, 0)) for token in self._new)
            self._add_copied(before)
            self._text = self._text[-self._rule.longest_period - self._rule.longest_copy :]
            self._new.clear()
        return self._text

    def _add_copied(self, before: int) -> None:
        """Bring the sum up to date; the first `before` tokens are in it.

        An alarm that tokens have followed (a nudge, or no room to close) is over: the sum begins anew.
        """
        stride = self._rule.phrase_stride
        for count in range(before - before % stride + stride, self._count + 1, stride):
            self._forget_alarm(count - stride, count - 1)
            grown = self._copied_total + self._copied(count) - self._rule.copied_share * stride
            self._copied_total = max(0.0, grown)
        self._forget_alarm(self._count - self._count % stride, self._count - 1)

    def _copied(self, count: int) -> int:
        """How many tokens more are known to be copies when `count` tokens stand."""
        rule, text = self._rule, self._text
        end = len(text) - self._count + count
        start = end - rule.shortest_phrase
        if start < 0:
            return 0
        seen = text.rfind(text[start:end], max(0, start - rule.phrase_window), end - 1)
        if seen < 0:
            return 0
        last = end - count + self._copied_to
        while start > last and seen > 0 and text[start - 1] == text[seen - 1]:
            start, seen = start - 1, seen - 1
        self._copied_to = count
        return end - max(start, last)

    def _forget_alarm(self, since: int, until: int) -> None:
        """If it was asked with an alarm when `since` to `until` tokens stood."""
        asked = until - until % self._rule.stride
        if self._copied_total >= self._rule.copied_limit and asked >= max(1, since):
            self._copied_total = 0.0
