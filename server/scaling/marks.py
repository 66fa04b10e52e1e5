"""A family's thinking marks, applied to chains of thinking that are assembled from pieces."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from server.budget.budget import Encode, ThinkingBudget, TokenIds
from server.budget.plan import FamilyTokens
from server.budget.text_marks import MarkMatch
from server.reasoning.family import cut_at


@dataclass(frozen=True, slots=True)
class Marks:
    """Where the prompt does not open thinking itself, a chain begins with the family's start mark."""

    family: FamilyTokens
    encode: Encode
    decode: Callable[[Sequence[int]], str]

    def closed(self, chain: TokenIds, budget: ThinkingBudget) -> TokenIds:
        """The chain followed by the end-of-thinking tokens and the cue, as in a forced end."""
        family = self.family
        needs_break = family.line_breaks and not (chain and chain[-1] in family.line_breaks)
        cue = family.family.cue if budget.end_message is None else budget.end_message
        return (*chain, *(self.encode("\n") if needs_break else ()), *family.end, *self._encoded(cue))

    def reopened(self, chain: TokenIds, text: str) -> TokenIds:
        """A new chain for the same prompt as `chain`, which begins with `text`."""
        begun = self.decode(chain).lstrip()
        opens = any(begun.startswith(mark.strip()) for mark in self.family.family.starts)
        return (*(self.family.start if opens else ()), *self._encoded(text))

    def delimiter_of(self, chain: TokenIds) -> int:
        """How many of the last tokens of a closed chain are its end and say nothing else of thinking."""
        if self.family.text is None:
            return len(self.family.end)
        match = MarkMatch(self.family.text.end)
        for token in chain:
            match.take(token)
        return match.tokens

    def text_of(self, chain: TokenIds) -> str:
        """The text of the thinking in a chain, without marks."""
        marks, text = self.family.family, self.decode(chain)
        opened = next((mark for mark in marks.starts if text.lstrip().startswith(mark)), None)
        thinking = text if opened is None else text.lstrip().removeprefix(opened)
        return cut_at(thinking, marks.ends)[0]

    def _encoded(self, text: str) -> TokenIds:
        return self.encode(text) if text else ()
