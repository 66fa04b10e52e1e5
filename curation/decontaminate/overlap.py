"""Drop a question that shares an n-gram with a question of an earlier source, as s1's collect_data.py does.

It appends each source to the references of the next one. Any stock phrase counts ("where m and n are
relatively prime positive"), so this stage is off by default. Memory: 8 bytes per n-gram of the sources so
far.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from curation.decontaminate.grams import Numbers, grams_of, in_batches, words
from curation.row import Dropped, Outcome, Row


@dataclass(frozen=True, slots=True)
class Overlap:
    """Rows must come source by source; overlap within a source is allowed."""

    ngram: int

    def __call__(self, rows: Iterable[Row]) -> Iterator[Outcome]:
        """Drop the rows that share an n-gram with an earlier source."""
        earlier = np.zeros(0, dtype=np.uint64)
        for source, group in groupby(rows, key=lambda row: row.problem.source):
            fresh: list[Numbers] = []
            for batch in in_batches(group):
                grams, which, _ = grams_of([words(row.problem.question) for row in batch], self.ngram)
                known = set(which[_among(grams, earlier)].tolist())
                fresh.append(grams[~np.isin(which, list(known))])
                for at, row in enumerate(batch):
                    detail = f"{self.ngram} words of a source before {source}"
                    yield Dropped(row, "overlap", detail) if at in known else row
            earlier = np.unique(np.concatenate([earlier, *fresh]))


def _among(grams: Numbers, ordered: Numbers) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    if not len(ordered):
        return np.zeros(len(grams), dtype=np.bool_)
    at = np.minimum(np.searchsorted(ordered, grams), len(ordered) - 1)
    found: np.ndarray[tuple[int], np.dtype[np.bool_]] = ordered[at] == grams
    return found
