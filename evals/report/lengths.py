"""How long thinking was where the answer was right, and where it was wrong."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from statistics import median

from evals.row import ResultRow


@dataclass(frozen=True, slots=True)
class Bin:
    """The graded replies with `low` to `high` - 1 thinking tokens."""

    low: int
    high: int
    right: int
    wrong: int


@dataclass(frozen=True, slots=True)
class Lengths:
    """The thinking tokens of the right and of the wrong replies, each sorted."""

    right: Sequence[int]
    wrong: Sequence[int]

    @property
    def median_right(self) -> float | None:
        """None without a right reply."""
        return median(self.right) if self.right else None

    @property
    def median_wrong(self) -> float | None:
        """None without a wrong reply."""
        return median(self.wrong) if self.wrong else None

    @property
    def bins(self) -> list[Bin]:
        """From the first length that occurs to the last: 0, then 1, 2, 3, 4, 6, 8, 12, 16, 24 and so on."""
        longest = max((*self.right[-1:], *self.wrong[-1:]), default=-1)
        found: list[Bin] = []
        for low, high in _edges():
            if low > longest:
                break
            one = Bin(low, high, _within(self.right, low, high), _within(self.wrong, low, high))
            if found or one.right or one.wrong:
                found.append(one)
        return found


def lengths_of(graded: Sequence[ResultRow]) -> Lengths:
    """The lengths of the graded rows whose thinking was counted."""
    counted = [(row.thinking_tokens, row.score) for row in graded if row.thinking_tokens is not None]
    return Lengths(
        sorted(tokens for tokens, score in counted if score == 1.0),
        sorted(tokens for tokens, score in counted if score != 1.0),
    )


def _edges() -> Iterator[tuple[int, int]]:
    yield from ((0, 1), (1, 2))
    for power in count(1):
        half, whole = 2**power, 2 ** (power + 1)
        middle = half + half // 2
        yield from ((half, middle), (middle, whole))


def _within(lengths: Sequence[int], low: int, high: int) -> int:
    return bisect_left(lengths, high) - bisect_left(lengths, low)
