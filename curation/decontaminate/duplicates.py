"""Drop a question that occurs earlier in the pool: equal up to formatting, or nearly equal.

Nearly equal means the same numbers, and a Jaccard similarity of at minima 0.8 between the sets of three-token
n-grams. The numbers must agree because a textbook asks the same sentence with different numbers, which are
different problems. Memory: 72 bytes per row while candidates are searched (MinHash, 8 bands of 4), then the
texts of the candidates.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np

from curation.decontaminate.grams import Numbers, Places, grams_of, in_batches, numbers_of, rolled
from curation.decontaminate.same import bare, folded
from curation.row import Dropped, Outcome, Row

THRESHOLD = 0.8
RUN = 3
BANDS, PER_BAND = 8, 4
# Maximum number of earlier rows of its bucket that a row is compared with; bounds the time.
MAX_COMPARED = 50

_TOKEN = re.compile(r"\d+(?:\.\d+)?|[^\W\d_]+|[^\w\s$]")


def _odd_numbers(count: int) -> tuple[np.uint64, ...]:
    """The multipliers of MinHash. Fixed, since they decide which near duplicates are found."""
    rng = Random(8)
    return tuple(np.uint64(rng.getrandbits(63) * 2 + 1) for _ in range(count))


_MULTIPLY = _odd_numbers(BANDS * PER_BAND)


def tokens(question: str) -> list[str]:
    """Numbers, words and punctuation marks of a question, in lower case but for lone letters."""
    return _TOKEN.findall(folded(question))


@dataclass(frozen=True, slots=True)
class Duplicates:
    """With `near` False only equality up to formatting counts. The first of equal rows is kept."""

    near: bool = True

    def __call__(self, rows: Iterable[Row]) -> Iterator[Outcome]:
        """Drop the later ones of equal or nearly equal rows; `rows` is iterated up to four times."""
        exact, buckets = _first_pass(rows, self.near)
        doubles = _same(exact)
        nearly = _near(rows, buckets, doubles) if self.near else {}
        names = _names(rows, {*doubles.values(), *(at for at, _ in nearly.values())})
        for at, row in enumerate(rows):
            if at in doubles:
                yield Dropped(row, "duplicate", f"same question as {names[doubles[at]]}")
            elif at in nearly:
                earlier, similarity = nearly[at]
                yield Dropped(row, "near_duplicate", f"{similarity:.2f} of {names[earlier]}, same numbers")
            else:
                yield row


def _first_pass(rows: Iterable[Row], near: bool) -> tuple[Numbers, Numbers]:
    """Hashes of the whole questions, shape [rows], and bucket hashes of candidates, shape [rows, BANDS]."""
    exact, buckets = [], []
    for batch in in_batches(rows):
        exact.append(numbers_64([bare(row.problem.question) for row in batch]))
        if near:
            buckets.append(bucket_numbers([tokens(row.problem.question) for row in batch]))
    none = np.zeros((0, BANDS), dtype=np.uint64)
    return np.concatenate([*exact, none[:, 0]]), np.concatenate([*buckets, none])


def numbers_64(texts: Sequence[str]) -> Numbers:
    """64-bit hashes of texts, shape [texts]: crc32 over the text combined with crc32 over its reverse."""
    front, back = numbers_of(texts, len(texts)), numbers_of((text[::-1] for text in texts), len(texts))
    return front * np.uint64(0x9E3779B97F4A7C15) + back


def bucket_numbers(texts: Sequence[list[str]]) -> Numbers:
    """MinHash bucket hashes, shape [texts, BANDS]; each band also depends on the text's numbers."""
    padded = [one + [""] * (RUN - len(one)) for one in texts]
    grams, which, _ = grams_of(padded, RUN)
    starts = np.searchsorted(which, np.arange(len(texts)))
    minima = np.stack([np.minimum.reduceat(grams * m >> np.uint64(24), starts) for m in _MULTIPLY], axis=1)
    flat = minima.reshape(-1)
    bands = rolled(flat, np.arange(0, len(flat), PER_BAND, dtype=np.int64), PER_BAND).reshape(-1, BANDS)
    number_hashes = numbers_64([" ".join(_numbers_in(one)) for one in texts])
    salt = np.arange(1, BANDS + 1, dtype=np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F)
    return bands ^ number_hashes[:, None] ^ salt


def _numbers_in(one: Iterable[str]) -> list[str]:
    return sorted(token for token in one if token[:1].isdigit())


def _same(exact: Numbers) -> dict[int, int]:
    """Maps a later row to the first row with the same hash."""
    _, first, inverse = np.unique(exact, return_index=True, return_inverse=True)
    origin = first[inverse]
    later = np.flatnonzero(origin != np.arange(len(exact)))
    return dict(zip(later.tolist(), origin[later].tolist(), strict=True))


def _near(rows: Iterable[Row], buckets: Numbers, doubles: dict[int, int]) -> dict[int, tuple[int, float]]:
    """Maps a later row to (an earlier row that is kept, their similarity).

    Rows that are themselves dropped do not count as earlier rows.
    """
    groups = _groups(buckets, doubles)
    needed = {at for group in groups for at in group}
    runs = {at: runs_of(row.problem.question) for at, row in enumerate(rows) if at in needed}
    earlier: dict[int, list[int]] = {}
    for group in groups:
        for place, at in enumerate(group):
            earlier.setdefault(at, []).extend(group[max(0, place - MAX_COMPARED) : place])
    nearly: dict[int, tuple[int, float]] = {}
    for at in sorted(earlier):
        for other in sorted(set(earlier[at])):
            if other not in nearly and (similarity := likeness(runs[at], runs[other])) >= THRESHOLD:
                nearly[at] = (other, similarity)
                break
    return nearly


def _groups(buckets: Numbers, doubles: dict[int, int]) -> list[list[int]]:
    """Groups of two or more rows that share a bucket, in the order of the rows."""
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
    """The set of three-token n-grams of a question."""
    found = tokens(question)
    return frozenset(tuple(found[at : at + RUN]) for at in range(max(1, len(found) - RUN + 1)))


def likeness(one: frozenset[tuple[str, ...]], other: frozenset[tuple[str, ...]]) -> float:
    """The Jaccard similarity of two sets of n-grams."""
    return len(one & other) / len(one | other)


def _names(rows: Iterable[Row], needed: set[int]) -> dict[int, str]:
    return {at: row.problem.id for at, row in enumerate(rows) if at in needed}
