"""A family's marks for lines of thinking that are put together from pieces."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from server.budget.budget import Encode, ThinkingBudget, TokenIds
from server.budget.plan import FamilyTokens


@dataclass(frozen=True, slots=True)
class Marks:
    """A line begins with the start mark where the prompt does not open thinking itself."""

    family: FamilyTokens
    encode: Encode
    decode: Callable[[Sequence[int]], str]

    def closed(self, line: TokenIds, budget: ThinkingBudget) -> TokenIds:
        """The line with the close and the cue of a forced end."""
        family = self.family
        needs_break = family.line_breaks and not (line and line[-1] in family.line_breaks)
        cue = family.family.cue if budget.end_message is None else budget.end_message
        return (*line, *(self.encode("\n") if needs_break else ()), *family.end, *self._encoded(cue))

    def reopened(self, line: TokenIds, text: str) -> TokenIds:
        """A new line for the same prompt as `line`'s that begins with a text."""
        start = self.family.start
        return (*(start if line[: len(start)] == start else ()), *self._encoded(text))

    def text_of(self, line: TokenIds) -> str:
        """The thinking alone."""
        marks = self.family.family
        text = self.decode(line).lstrip() if self._opens(line) else self.decode(line)
        return text.removeprefix(marks.start).partition(marks.end)[0]

    def _opens(self, line: TokenIds) -> bool:
        return line[: len(self.family.start)] == self.family.start

    def _encoded(self, text: str) -> TokenIds:
        return self.encode(text) if text else ()
