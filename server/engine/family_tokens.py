"""A family's marks in one tokenizer's ids, looked up once at start-up."""

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from string import whitespace
from typing import Protocol

from server.budget.budget import TokenIds
from server.budget.plan import FamilyTokens
from server.budget.planning.vocabulary import Vocabulary
from server.budget.text_marks import TextMark, TextMarks
from server.reasoning.declared import declared_family
from server.reasoning.family import Family


class Tokenizer(Protocol):
    """What is asked of a tokenizer.

    Transformers' own have it, and each of vLLM's, of which Mistral's is no transformers tokenizer.
    """

    @property
    def all_special_ids(self) -> list[int]:
        """Of the tokens that are no text."""

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """The ids of a text."""

    def get_vocab(self) -> Mapping[str, int]:
        """Every token's id; the bytes of one that is no text by itself, in Mistral's."""

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        """The text of tokens of the vocabulary."""


class Encoder:
    """Encodes a text by itself: no special tokens are added, and nothing is known of the text around it."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def __call__(self, text: str) -> TokenIds:
        """The token ids of a text."""
        return tuple(self._tokenizer.encode(text, add_special_tokens=False))

    @cached_property
    def _vocabulary(self) -> Mapping[str, int]:
        return self._tokenizer.get_vocab()  # made anew each time: of a large one in a tenth of a second

    def mark(self, text: str) -> TokenIds:
        """A mark's ids: its own token where the vocabulary has one, else those of its text.

        Mistral's tokenizers never encode text to a control token (mistral-common 1.13.1).
        """
        token = self._vocabulary.get(text)
        return self(text) if token is None else (token,)


def declared_tokens(tokenizer: Tokenizer) -> set[int]:
    """The ids of the tokens that the tokenizer adds to its text's own: control tokens, marks."""
    added = getattr(tokenizer, "get_added_vocab", dict[str, int])()  # not every tokenizer lists them
    return {*added.values(), *tokenizer.all_special_ids}


def vocabulary_of(tokenizer: Tokenizer) -> Vocabulary:
    """The tables over all tokens that are text; marks and other added tokens count as empty."""

    def texts() -> list[str]:
        vocabulary = tokenizer.get_vocab()
        declared = declared_tokens(tokenizer)
        found = [""] * (max(vocabulary.values()) + 1)
        for name, token in vocabulary.items():
            if token not in declared:
                found[token] = tokenizer.convert_tokens_to_string([name])
        return found

    return Vocabulary(texts)


def declared_by(tokenizer: object) -> Family | None:
    """The family that the checkpoint declares in its tokenizer's settings; None where it declares none."""
    template = getattr(tokenizer, "response_template", None)
    if not isinstance(template, Mapping):
        template = (getattr(tokenizer, "init_kwargs", None) or {}).get("response_template")
    return declared_family(template)


def bytes_of(tokenizer: Tokenizer) -> dict[int, bytes]:
    """[token id] -> the bytes that each token of the vocabulary writes; marks and other added ones: as named.

    Two kinds of tokenizers: of bytes, each written as a letter (GPT-2's), and of text, in which "▁" stands
    for a space and "<0x0A>" for a byte (SentencePiece's).
    """
    vocabulary, declared = tokenizer.get_vocab(), declared_tokens(tokenizer)
    of_bytes = _SPACE in vocabulary and tokenizer.convert_tokens_to_string([_SPACE]) == " "
    found = {}
    for name, token in vocabulary.items():
        if not isinstance(name, str):
            found[token] = bytes(name)  # Mistral's, where they are no text by themselves
        elif token in declared:
            found[token] = name.encode()
        elif of_bytes:
            found[token] = bytes(_BYTES[letter] for letter in name if letter in _BYTES)
        elif byte := _BYTE.fullmatch(name):
            found[token] = bytes.fromhex(byte[1])
        else:
            found[token] = name.replace("▁", " ").encode()
    return found


_SPACE = "Ġ"
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
_BLANK = "ĠĊĉčċČ▁" + whitespace
"""White space as GPT-2's letters, as SentencePiece's, and as it is."""
_BLANK_BYTES = frozenset(f"<0x{ord(each):02X}>" for each in whitespace)
_PRINTED = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
_BYTES = {chr(byte): byte for byte in _PRINTED} | {
    chr(256 + n): byte for n, byte in enumerate(byte for byte in range(256) if byte not in _PRINTED)
}
"""GPT-2's letters of bytes: those that can be printed stand for themselves."""


def _text_marks(family: Family, tokenizer: Tokenizer) -> TextMarks:
    vocabulary = bytes_of(tokenizer)
    marks = (family.start, family.also_start), (family.end, family.also_end)
    return TextMarks(*(TextMark.of_vocabulary(mark, vocabulary, others) for mark, others in marks))


def family_tokens(family: Family, tokenizer: Tokenizer, end_of_sequence: Sequence[int]) -> FamilyTokens:
    """The ids of a family's marks.

    Args:
        family: Whose marks.
        tokenizer: The model's.
        end_of_sequence: The ids at which the engine itself stops.

    Raises:
        ValueError: This tokenizer has no token for the start mark or the delimiter.
    """
    encode = Encoder(tokenizer)
    declared = declared_tokens(tokenizer)
    vocabulary = tokenizer.get_vocab()
    start, end = encode.mark(family.start), encode.mark(family.end)
    if not start or not end:
        raise ValueError(f"family {family.name}: {family.start!r} or {family.end!r} has no token here")
    turn_ends = [vocabulary[mark] for mark in family.end_of_turn if mark in vocabulary]
    line_breaks: frozenset[int] = frozenset()
    if family.line_break_before_end:
        # Byte-level BPE writes a line break as "Ċ".
        line_breaks = frozenset(
            token
            for text, token in vocabulary.items()
            if isinstance(text, str) and text.endswith(("Ċ", "\n", "<0x0A>"))
        )
    transition = encode(family.transition) if family.transition else ()
    assistant = tuple(vocabulary[mark] for mark in family.assistant if mark in vocabulary)
    shared = _fork_of_tools(start, family, encode)
    is_distinct = not family.is_spelled_in_many_ways and (end[0] in declared or family.end in vocabulary)
    return FamilyTokens(
        family=family,
        start=start,
        end=end,
        end_is_distinct=is_distinct,
        text=None if is_distinct else _text_marks(family, tokenizer),
        end_of_turn=tuple(dict.fromkeys((*end_of_sequence, *turn_ends))),
        tool_call=tuple(vocabulary[mark] for mark in family.tool_call if vocabulary.get(mark) in declared),
        line_breaks=line_breaks,
        transition=transition,
        reopens=family.reopens,
        forks_at=_fork(start, transition) if transition else shared if is_distinct else None,
        header=_behind(transition, assistant),
        assistant=assistant,
        blanks=frozenset(token for name, token in vocabulary.items() if _is_blank(name)),
    )


def _is_blank(name: str | bytes) -> bool:
    """Whether a token of the vocabulary is white space, by its name."""
    if not isinstance(name, str):
        return name.isspace()
    return bool(name) and (not name.strip(_BLANK) or name in _BLANK_BYTES)


def _fork(start: TokenIds, transition: TokenIds) -> int:
    """How many tokens of the start mark the way to an answer has, too."""
    places = (at for at, token in enumerate(transition) if token == start[0])
    return max((_common(start, transition[at:]) for at in places), default=0)


def _fork_of_tools(start: TokenIds, family: Family, encode: Encoder) -> int | None:
    """How many tokens of the start mark begin a tool call, too, as PLaMo 3's do; None where none does."""
    if len(start) == 1:
        return None
    calls = [call for mark in family.tool_call if (call := encode.mark(mark)) and call[0] == start[0]]
    return max((_common(start, call) for call in calls), default=None)


def _common(one: TokenIds, other: TokenIds) -> int:
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one) - 1)


def _behind(transition: TokenIds, assistant: TokenIds) -> TokenIds:
    """Of the way to an answer what follows the assistant's own mark."""
    begins = max((at + 1 for at, token in enumerate(transition) if token in assistant), default=0)
    return transition[begins:]
