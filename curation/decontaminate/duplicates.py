"""Drop a question that the pool has asked already: the same but for dress, or nearly the same words.

Near means: the same numbers, and at least 0.8 of the three-token runs of both together in common (Jaccard).
The
numbers must agree because a textbook asks one sentence with many numbers, and those are different problems.
Memory: 72 bytes a row while candidates are sought (MinHash, 8 bands of 4), then the texts of candidates only.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np

from curation.decontaminate.grams import Numbers, Places, grams_of, in_batches, numbers_of, rolled
from curation.decontaminate.same import bare
from curation.row import Dropped, Outcome, Row

THRESHOLD = 0.8
RUN = 3
BANDS, PER_BAND = 8, 4
# A row is compared with so many earlier ones of its bucket: thousands of near-equal rows stay quick.
MAX_COMPARED = 50

_TOKEN = re.compile(r"\d+(?:\.\d+)?|[^\W\d_]+|[^\w\s$]")


def _odd_numbers(count: int) -> tuple[np.uint64, ...]:
    """Multipliers of MinHash. Always the same: they decide which near duplicates are found."""
    rng = Random(8)
    return tuple(np.uint64(rng.getrandbits(63) * 2 + 1) for _ in range(count))


_MULTIPLY = _odd_numbers(BANDS * PER_BAND)


def tokens(question: str) -> list[str]:
    return _TOKEN.findall(question.lower())


@dataclass(frozen=True, slots=True)
class Duplicates:
    """`near` False keeps to the same-but-for-dress rule. The first of equals stays."""

    near: bool = True

    def __call__(self, rows: Iterable[Row]) -> Iterator[Outcome]:
        exact, buckets = _first_pass(rows, self.near)
        doubles = _same(exact)
        nearly = _near(rows, buckets, doubles) if self.near else {}
        names = _names(rows, {*doubles.values(), *(at for at, _ in nearly.values())})
        for at, row in enumerate(rows):
            if at in doubles:
                yield Dropped(row, "duplicate", f"same question as {names[doubles[at]]}")
            elif at in nearly:
                earlier, alike = nearly[at]
                yield Dropped(row, "near_duplicate", f"{alike:.2f} of {names[earlier]}, same numbers")
            else:
                yield row


def _first_pass(rows: Iterable[Row], near: bool) -> tuple[Numbers, Numbers]:
    """A number for each whole question, and (rows, bands) numbers whose equality makes two rows
    candidates.
    """
    exact, buckets = [], []
    for batch in in_batches(rows):
        exact.append(numbers_64([bare(row.problem.question) for row in batch]))
        if near:
            buckets.append(bucket_numbers([tokens(row.problem.question) for row in batch]))
    none = np.zeros((0, BANDS), dtype=np.uint64)
    return np.concatenate([*exact, none[:, 0]]), np.concatenate([*buckets, none])


def numbers_64(texts: Sequence[str]) -> Numbers:
    """crc32 has 32 bits only: two of them, over the text and over the text reversed."""
    front, back = numbers_of(texts, len(texts)), numbers_of((text[::-1] for text in texts), len(texts))
    return front * np.uint64(0x9E3779B97F4A7C15) + back


def bucket_numbers(texts: Sequence[list[str]]) -> Numbers:
    """(texts, BANDS): MinHash of the token runs, each band mixed with the text's numbers."""
    padded = [one + [""] * (RUN - len(one)) for one in texts]
    grams, which, _ = grams_of(padded, RUN)
    starts = np.searchsorted(which, np.arange(len(texts)))
    least = np.stack([np.minimum.reduceat(grams * m >> np.uint64(24), starts) for m in _MULTIPLY], axis=1)
    flat = least.reshape(-1)
    bands = rolled(flat, np.arange(0, len(flat), PER_BAND, dtype=np.int64), PER_BAND).reshape(-1, BANDS)
    told = numbers_64([" ".join(_told_numbers(one)) for one in texts])
    salt = np.arange(1, BANDS + 1, dtype=np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F)
    return bands ^ told[:, None] ^ salt


def _told_numbers(one: Iterable[str]) -> list[str]:
    return sorted(token for token in one if token[:1].isdigit())


def _same(exact: Numbers) -> dict[int, int]:
    """Later row -> the first row of the same number."""
    _, first, inverse = np.unique(exact, return_index=True, return_inverse=True)
    origin = first[inverse]
    later = np.flatnonzero(origin != np.arange(len(exact)))
    return dict(zip(later.tolist(), origin[later].tolist(), strict=True))


def _near(rows: Iterable[Row], buckets: Numbers, doubles: dict[int, int]) -> dict[int, tuple[int, float]]:
    """Later row -> (an earlier row that stays, their likeness). Rows already dropped are nobody's earlier
    row.
    """
    groups = _groups(buckets, doubles)
    wanted = {at for group in groups for at in group}
    runs = {at: runs_of(row.problem.question) for at, row in enumerate(rows) if at in wanted}
    earlier: dict[int, list[int]] = {}
    for group in groups:
        for place, at in enumerate(group):
            earlier.setdefault(at, []).extend(group[max(0, place - MAX_COMPARED) : place])
    nearly: dict[int, tuple[int, float]] = {}
    for at in sorted(earlier):
        for other in sorted(set(earlier[at])):
            if other not in nearly and (alike := likeness(runs[at], runs[other])) >= THRESHOLD:
                nearly[at] = (other, alike)
                break
    return nearly


def _groups(buckets: Numbers, doubles: dict[int, int]) -> list[list[int]]:
    """Rows that share a bucket, in the order of the rows; buckets of one are none."""
    groups = []
    for band in range(buckets.shape[1]):
        order = np.argsort(buckets[:, band], kind="stable")
        column = buckets[order, band]
        edges = np.flatnonzero(column[1:] != column[:-1]) + 1
        starts, ends = np.r_[0, edges], np.r_[edges, len(column)]
        for start, end in zip(*_long(starts, ends), strict=True):
            group = [at for at in order[start:end].tolist() if at not in doubles]
            if len(group) > 1:
                groups.append(group)
    return groups


def _long(starts: Places, ends: Places) -> tuple[list[int], list[int]]:
    several = ends - starts > 1
    return starts[several].tolist(), ends[several].tolist()


def runs_of(question: str) -> frozenset[tuple[str, ...]]:
    found = tokens(question)
    return frozenset(tuple(found[at : at + RUN]) for at in range(max(1, len(found) - RUN + 1)))


def likeness(one: frozenset[tuple[str, ...]], other: frozenset[tuple[str, ...]]) -> float:
    return len(one & other) / len(one | other)


def _names(rows: Iterable[Row], wanted: set[int]) -> dict[int, str]:
    return {at: row.problem.id for at, row in enumerate(rows) if at in wanted}
