"""A family's marks in one tokenizer's ids, looked up once at start-up."""

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from server.budget.budget import TokenIds
from server.budget.plan import FamilyTokens
from server.budget.planning.vocabulary import Vocabulary
from server.reasoning.families import Family


class Encoder:
    """Encodes a text by itself: no special tokens are added, and nothing is known of the text around it."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer

    def __call__(self, text: str) -> TokenIds:
        """The token ids of a text."""
        return tuple(self._tokenizer.encode(text, add_special_tokens=False))


def vocabulary_of(tokenizer: PreTrainedTokenizerBase) -> Vocabulary:
    """The tables over all tokens that are text; marks and other added tokens count as empty."""

    def texts() -> list[str]:
        vocabulary: dict[str, int] = tokenizer.get_vocab()
        silent = {*tokenizer.get_added_vocab(), *tokenizer.all_special_tokens}
        found = [""] * (max(vocabulary.values()) + 1)
        for name, token in vocabulary.items():
            if name not in silent:
                found[token] = tokenizer.convert_tokens_to_string([name])
        return found

    return Vocabulary(texts)


def family_tokens(
    family: Family, tokenizer: PreTrainedTokenizerBase, end_of_sequence: Sequence[int]
) -> FamilyTokens:
    """The ids of a family's marks.

    Args:
        family: Whose marks.
        tokenizer: The model's.
        end_of_sequence: The ids at which the engine itself stops.

    Raises:
        ValueError: This tokenizer has no token for the start mark or the delimiter.
    """
    encode = Encoder(tokenizer)
    added = set(tokenizer.get_added_vocab().values())
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    start, end = encode(family.start), encode(family.end)
    if not start or not end:
        raise ValueError(f"family {family.name}: {family.start!r} or {family.end!r} has no token here")
    turn_ends = [vocabulary[mark] for mark in family.end_of_turn if mark in vocabulary]
    line_breaks: frozenset[int] = frozenset()
    if family.line_break_before_end:
        # Byte-level BPE writes a line break as "Ċ".
        line_breaks = frozenset(
            token for text, token in vocabulary.items() if text.endswith(("Ċ", "\n", "<0x0A>"))
        )
    return FamilyTokens(
        family=family,
        start=start,
        end=end,
        end_is_distinct=end[0] in added,
        end_of_turn=tuple(dict.fromkeys((*end_of_sequence, *turn_ends))),
        tool_call=tuple(vocabulary[mark] for mark in family.tool_call if vocabulary.get(mark) in added),
        line_breaks=line_breaks,
    )
