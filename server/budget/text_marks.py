"""Marks that are ordinary text: found in the text, whichever tokens write it.

A tokenizer that has no token for "</think>" may write its last ">" together with the line breaks behind it,
and its "<" with the point before it. So a mark is followed byte by byte: how much of it stands at the end of
the text, and what each token makes of that, in tables over the few tokens that can take part. A mark may have
several spellings ("Here is my response:", "Here's my response:"); the first is the one that is forced.
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

    `text`: the bytes that are forced. `pieces`: the bytes of each token that can be part of it;
    `of_vocabulary` picks them. `others`: further spellings that stand for it.

    A state is what stands of a spelling at the end of a text: an index into `begins`, 0 where nothing does.
    """

    text: bytes
    pieces: Mapping[int, bytes]
    others: tuple[bytes, ...] = ()
    begins: tuple[bytes, ...] = field(init=False, compare=False, repr=False)
    """The proper prefixes of the spellings, the empty one first."""
    moves: dict[int, tuple[int, ...]] = field(init=False, compare=False, repr=False)
    """Of each of these tokens, by the state before it: the state behind it."""
    completing: tuple[TokenIds, ...] = field(init=False, compare=False, repr=False)
    """By state: the tokens that complete the mark."""
    overrunning: tuple[TokenIds, ...] = field(init=False, compare=False, repr=False)
    """Of those, the tokens that say more than the mark."""

    def __post_init__(self) -> None:
        """Make the tables."""
        prefixes = dict.fromkeys(spelling[:n] for spelling in self.spellings for n in range(len(spelling)))
        object.__setattr__(self, "begins", tuple(prefixes))
        moves = {
            token: tuple(self._behind(before, piece) for before in self.begins)
            for token, piece in self.pieces.items()
        }
        states = range(len(self.begins))
        completing = tuple(
            tuple(token for token, row in moves.items() if row[state] == _COMPLETE) for state in states
        )
        overrunning = tuple(
            tuple(token for token in tokens if self.completed(state, token)[1])
            for state, tokens in enumerate(completing)
        )
        for name, table in (("moves", moves), ("completing", completing), ("overrunning", overrunning)):
            object.__setattr__(self, name, table)

    @classmethod
    def of_vocabulary(cls, text: str, vocabulary: Mapping[int, bytes], others: Sequence[str] = ()) -> Self:
        """The mark in a vocabulary; [token id] -> the bytes that the token writes."""
        spellings = [spelling.encode() for spelling in (text, *others)]
        begins = tuple(mark[:size] for mark in spellings for size in range(1, len(mark)))
        rests = tuple(mark[size:] for mark in spellings for size in range(1, len(mark)))

        def takes_part(piece: bytes) -> bool:
            within = any(piece in mark or mark in piece for mark in spellings)
            return bool(piece) and (within or piece.endswith(begins) or piece.startswith(rests))

        pieces = {token: piece for token, piece in vocabulary.items() if takes_part(piece)}
        return cls(spellings[0], pieces, tuple(spellings[1:]))

    @classmethod
    def of_tokens(cls, ids: Sequence[int]) -> Self:
        """A mark that is these tokens and no others, each of them a byte here."""
        letters = {token: bytes([n]) for n, token in enumerate(dict.fromkeys(ids))}
        return cls(b"".join(letters[token] for token in ids), letters)

    @property
    def spellings(self) -> tuple[bytes, ...]:
        """All of them, the one that is forced first."""
        return (self.text, *self.others)

    @cached_property
    def longest(self) -> int:
        """Bytes of the longest spelling."""
        return max(map(len, self.spellings))

    @cached_property
    def beginning(self) -> frozenset[int]:
        """The tokens that begin the mark, or say all of it, where nothing of it stands."""
        return frozenset(token for token, row in self.moves.items() if row and row[0])

    @cached_property
    def parts(self) -> dict[bytes, int]:
        """The tokens that write a part of a spelling and nothing else."""
        ordered = sorted(self.pieces.items(), reverse=True)
        return {piece: token for token, piece in ordered if any(piece in mark for mark in self.spellings)}

    def rest(self, state: int) -> bytes:
        """What is missing of the spelling that has begun."""
        begun = self.begins[state]
        return next(mark[len(begun) :] for mark in self.spellings if mark.startswith(begun))

    def completed(self, state: int, token: int) -> tuple[bytes, bytes]:
        """(the spelling that `token` completes behind what stands, what it says behind that)."""
        text = self.begins[state] + self.pieces[token]
        spelling = self._first_of(text)
        assert spelling is not None
        return spelling, text.partition(spelling)[2]

    def may_end(self, ids: Sequence[int]) -> bool:
        """Whether these tokens complete the mark, with or without a part of it before them."""
        matches = [MarkMatch(self, state) for state in range(len(self.begins))]
        return any(match.take(token) for token in ids for match in matches)

    def begun(self, text: bytes) -> int:
        """The state at the end of a text that does not hold the mark whole: as much of it as can stand."""
        return max(
            (state for state, begun in enumerate(self.begins) if text.endswith(begun)),
            key=lambda state: len(self.begins[state]),
        )

    def _first_of(self, text: bytes) -> bytes | None:
        """The spelling that is whole first; the longest of them."""
        found = [(text.index(mark) + len(mark), -len(mark), mark) for mark in self.spellings if mark in text]
        return min(found)[2] if found else None

    def _behind(self, before: bytes, piece: bytes) -> int:
        text = before + piece
        return self.begun(text) if self._first_of(text) is None else _COMPLETE

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
        last = prompt[-max(self.start.longest, self.end.longest) :]
        matches = MarkMatch(self.start), MarkMatch(self.end)
        for token in last:
            for match in matches:
                match.take(token)
        found = max(match.reach for match in matches)
        return tuple(last[len(last) - found :])

    def to_wire(self) -> dict[str, Any]:
        """As plain dicts and bytes, for the workers."""
        return {
            name: [mark.text, dict(mark.pieces), list(mark.others)]
            for name, mark in (("start", self.start), ("end", self.end))
        }

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Self:
        """The inverse of `to_wire`."""
        marks = (wire[name] for name in ("start", "end"))
        return cls(*(TextMark(text, pieces, tuple(others)) for text, pieces, others in marks))


class MarkMatch:
    """How much of a mark stands at the end of a text, which comes token by token."""

    __slots__ = ("_sizes", "mark", "spelling", "state", "tail", "tokens")

    def __init__(self, mark: TextMark, state: int = 0) -> None:
        self.mark = mark
        self.state = state
        """What stands of the mark at the end of the text."""
        self.tokens = 0
        """How many of the last tokens are of the mark and nothing else; once it is complete, of the whole."""
        self.spelling = b""
        """The spelling that was completed last."""
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
        return self.tokens + (len(self.mark.begins[self.state]) > sum(self._sizes))

    def take(self, token: int) -> bool:
        """The next token. Returns whether it completes the mark."""
        row = self.mark.moves.get(token)
        if row is None:
            self.state = 0
            self._follow(0)
            return False
        before, self.state = self.state, row[self.state]
        self._sizes.append(len(self.mark.pieces[token]))
        if self.state != _COMPLETE:
            self._follow(len(self.mark.begins[self.state]))
            return False
        self.spelling, self.tail = self.mark.completed(before, token)
        self._sizes[-1] -= len(self.tail)
        self._follow(len(self.spelling))
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
