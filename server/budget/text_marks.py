"""Marks that are ordinary text: found in the text, whichever tokens write it.

A tokenizer that has no token for "</think>" may write its last ">" together with the line breaks behind it,
and its "<" with the point before it. So a mark is followed byte by byte: how much of it stands at the end of
the text, and what each token makes of that, in tables over the few tokens that can take part.
"""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

from server.budget.budget import TokenIds

_COMPLETE = -1


@dataclass(frozen=True)
class TextMark:
    """One mark in one vocabulary.

    `pieces`: the bytes of each token that can be part of it; `of_vocabulary` picks them.
    """

    text: bytes
    pieces: Mapping[int, bytes]
    moves: dict[int, tuple[int, ...]] = field(init=False, compare=False, repr=False)
    """Of each of these tokens, by how many bytes of the mark stand before it: how many stand behind it."""
    completing: tuple[TokenIds, ...] = field(init=False, compare=False, repr=False)
    """By how many bytes of the mark stand: the tokens that complete it."""
    overrunning: tuple[TokenIds, ...] = field(init=False, compare=False, repr=False)
    """Of those, the tokens that say more than the mark."""

    def __post_init__(self) -> None:
        """Make the tables."""
        states = range(len(self.text))
        moves = {
            token: tuple(self._behind(state, piece) for state in states)
            for token, piece in self.pieces.items()
        }
        completing = tuple(
            tuple(token for token, row in moves.items() if row[state] == _COMPLETE) for state in states
        )
        overrunning = tuple(
            tuple(token for token in tokens if self.tail(state, token))
            for state, tokens in enumerate(completing)
        )
        for name, table in (("moves", moves), ("completing", completing), ("overrunning", overrunning)):
            object.__setattr__(self, name, table)

    @classmethod
    def of_vocabulary(cls, text: str, vocabulary: Mapping[int, bytes]) -> Self:
        """The mark in a vocabulary; [token id] -> the bytes that the token writes."""
        mark = text.encode()
        begins = tuple(mark[:size] for size in range(1, len(mark)))
        rests = tuple(mark[size:] for size in range(1, len(mark)))
        return cls(
            mark,
            {
                token: piece
                for token, piece in vocabulary.items()
                if piece
                and (piece in mark or piece.endswith(begins) or piece.startswith(rests) or mark in piece)
            },
        )

    @classmethod
    def of_tokens(cls, ids: Sequence[int]) -> Self:
        """A mark that is these tokens and no others, each of them a byte here."""
        letters = {token: bytes([n]) for n, token in enumerate(dict.fromkeys(ids))}
        return cls(b"".join(letters[token] for token in ids), letters)

    @cached_property
    def beginning(self) -> frozenset[int]:
        """The tokens that begin the mark, or say all of it, where nothing of it stands."""
        return frozenset(token for token, row in self.moves.items() if row and row[0])

    @cached_property
    def parts(self) -> dict[bytes, int]:
        """The tokens that write a part of the mark and nothing else."""
        ordered = sorted(self.pieces.items(), reverse=True)
        return {piece: token for token, piece in ordered if piece in self.text}

    def tail(self, state: int, token: int) -> bytes:
        """What `token` says behind the mark that it completes where `state` bytes of it stood."""
        return (self.text[:state] + self.pieces[token]).partition(self.text)[2]

    def may_end(self, ids: Sequence[int]) -> bool:
        """Whether these tokens complete the mark, with or without a part of it before them."""
        matches = [MarkMatch(self, state) for state in range(len(self.text))]
        return any(match.take(token) for token in ids for match in matches)

    def begun(self, text: bytes) -> int:
        """How many bytes of the mark stand at the end of a text that does not hold it whole."""
        sizes = range(min(len(self.text) - 1, len(text)), 0, -1)
        return next((size for size in sizes if text.endswith(self.text[:size])), 0)

    def _behind(self, state: int, piece: bytes) -> int:
        text = self.text[:state] + piece
        return _COMPLETE if self.text in text else self.begun(text)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """It is never changed."""
        return self


@dataclass(frozen=True)
class TextMarks:
    """A family's marks where they are ordinary text."""

    start: TextMark
    end: TextMark

    @cached_property
    def beginning(self) -> frozenset[int]:
        """The tokens that begin either mark."""
        return self.start.beginning | self.end.beginning

    @classmethod
    def of_tokens(cls, start: Sequence[int], end: Sequence[int]) -> Self:
        """Marks that are these tokens and no others."""
        return cls(TextMark.of_tokens(start), TextMark.of_tokens(end))

    def begun(self, prompt: Sequence[int]) -> TokenIds:
        """The last tokens of a prompt, as far as the text that they end begins a mark."""
        last = prompt[-max(len(self.start.text), len(self.end.text)) :]
        matches = MarkMatch(self.start), MarkMatch(self.end)
        for token in last:
            for match in matches:
                match.take(token)
        found = max(match.reach for match in matches)
        return tuple(last[len(last) - found :])

    def to_wire(self) -> dict[str, Any]:
        """As plain dicts and bytes, for the workers."""
        return {
            name: [mark.text, dict(mark.pieces)] for name, mark in (("start", self.start), ("end", self.end))
        }

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Self:
        """The inverse of `to_wire`."""
        return cls(*(TextMark(*wire[name]) for name in ("start", "end")))


class MarkMatch:
    """How much of a mark stands at the end of a text, which comes token by token."""

    __slots__ = ("_sizes", "mark", "state", "tail", "tokens")

    def __init__(self, mark: TextMark, state: int = 0) -> None:
        self.mark = mark
        self.state = state
        """Bytes of the mark at the end of the text."""
        self.tokens = 0
        """How many of the last tokens are of the mark and nothing else; once it is complete, of the whole."""
        self.tail = b""
        """What the token that completed it has said behind it."""
        self._sizes: list[int] = []

    @property
    def completing(self) -> TokenIds:
        """The tokens that would complete it."""
        return self.mark.completing[self.state]

    @property
    def overrunning(self) -> TokenIds:
        """Of those, the tokens that would say more."""
        return self.mark.overrunning[self.state]

    @property
    def reach(self) -> int:
        """How many of the last tokens the beginning of the mark reaches into."""
        return self.tokens + (self.state > sum(self._sizes))

    def take(self, token: int) -> bool:
        """The next token. Returns whether it completes the mark."""
        row = self.mark.moves.get(token)
        if row is None:
            self._follow(0)
            return False
        before, self.state = self.state, row[self.state]
        self._sizes.append(len(self.mark.pieces[token]))
        if self.state != _COMPLETE:
            self._follow(self.state)
            return False
        self.tail = self.mark.tail(before, token)
        self._sizes[-1] -= len(self.tail)
        self._follow(len(self.mark.text))
        self.state = self.mark.begun(self.tail)
        self._sizes = []
        return True

    def fork(self) -> Self:
        """Another one that stands where this one stands, and goes its own way."""
        twin = copy(self)
        twin._sizes = list(self._sizes)
        return twin

    def forget_tokens(self) -> None:
        """What stands of the mark was said before the tokens that are counted."""
        self.tokens, self._sizes = 0, []

    def _follow(self, size: int) -> None:
        """Keep of the tokens those that lie within the last `size` bytes."""
        self.state = size
        sizes = self._sizes
        while sizes and sum(sizes) > size:
            del sizes[0]
        self.tokens = len(sizes)


class MarksMatch:
    """Both marks of a family, followed through one text."""

    __slots__ = ("beginning", "end", "ended", "is_at_rest", "opened", "start")

    def __init__(self, marks: TextMarks, before: Sequence[int] = ()) -> None:
        """Begin behind these tokens, which are not counted."""
        self.start, self.end = MarkMatch(marks.start), MarkMatch(marks.end)
        self.beginning = marks.beginning
        """The tokens that begin either mark."""
        self.opened = self.ended = False
        """Whether the last token has completed a mark."""
        self.is_at_rest = True
        """Whether nothing of a mark stands at the end: only a token of `beginning` changes that."""
        for token in before:
            self.take(token)
        self.start.forget_tokens()
        self.end.forget_tokens()

    def fork(self) -> Self:
        """Another one that stands where this one stands, and goes its own way."""
        twin = copy(self)
        twin.start, twin.end = self.start.fork(), self.end.fork()
        return twin

    def take(self, token: int) -> None:
        """The next token."""
        if self.is_at_rest and token not in self.beginning:
            self.opened = self.ended = False
            return
        self.opened, self.ended = self.start.take(token), self.end.take(token)
        self.is_at_rest = not self.start.state and not self.end.state

    @property
    def completing(self) -> TokenIds:
        """The tokens that would complete either."""
        return (*self.start.completing, *self.end.completing)
