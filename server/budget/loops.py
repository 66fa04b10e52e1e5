"""Does thinking run in a loop? A rule on token ids, asked every 64 of them; the same wherever it is followed.

Thinking loops when its end is a copy, token for token, of what stood one period before, and either
1. one unit stands 4 times in a row, and that is 400 tokens or more; or
2. the copy is 2,048 tokens long, as when a long chain of thought is said over again word for word.
A text that counts on ("then 1718, then 1726, ...") is none, whatever it means.

Measured (`python -m server.engine.bench.loops`) on the 4,440 real traces that the limits were chosen on, of
Sky-T1, Qwen2.5-3B with and without Waits, and Qwen2.5-14B; 7.1 million tokens of their own tokenizer. It
stops 232.
Curation's rule on text flags 231 of them; the last is 973 tokens said three times over. 228 go on word for
word to their last token, five that were graded right among them; four leave their loop later, all graded
wrong. None is among the 1,054 right answers without Waits, nor the 1,246 right ones with Waits. Of the 54
traces longer than 16,000 tokens it stops 53 (the last one counts on), by when a fifth of their tokens was
written. 0.2 to 0.4 microseconds of CPU time a token.
"""

from collections.abc import Iterable
from dataclasses import dataclass


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


class LoopWatch:
    """Takes in the tokens of one sequence's thinking; keeps 10,240 of them at most, four bytes each."""

    __slots__ = ("_new", "_rule", "_text")

    def __init__(self, rule: LoopRule) -> None:
        self._rule = rule
        self._text = ""
        """A character a token: there is no faster search here than that of a string in a string."""
        self._new: list[int] = []

    def take(self, tokens: Iterable[int]) -> None:
        """The next tokens."""
        self._new += tokens

    @property
    def is_looping(self) -> bool:
        """Whether the text loops as it stands now."""
        rule, text = self._rule, self._settled()
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
            self._text += "".join(chr(max(token, 0)) for token in self._new)
            self._text = self._text[-self._rule.longest_period - self._rule.longest_copy :]
            self._new.clear()
        return self._text
