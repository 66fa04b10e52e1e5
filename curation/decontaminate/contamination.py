"""Drop a question that shares an n-gram of words with an eval's question, or is equal to one.

The paper says "more than an 8-gram overlap"; its code drops on any shared 8-gram, and so does this. Its
script for AIME ran afterwards without the check, which let a MATH500 item in; here every source passes this
stage.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from curation.decontaminate.grams import Numbers, Places, grams_of, in_batches, words
from curation.decontaminate.references import Reference
from curation.decontaminate.same import bare
from curation.row import Dropped, Outcome, Row
from server.reasoning.records import Problem

DEFAULT_NGRAM = 8


@dataclass(frozen=True, slots=True)
class Contamination:
    """`ngram` 0 compares whole questions only, since procedural problems share their wording."""

    references: tuple[Reference, ...]
    ngram: int = DEFAULT_NGRAM

    def __call__(self, rows: Iterable[Row]) -> Iterator[Outcome]:
        """Drop the rows that share an n-gram with a reference, or equal one."""
        index = _Index(self.references, self.ngram)
        for batch in in_batches(rows):
            yield from self._compare(batch, index)

    def _compare(self, batch: Sequence[Row], index: "_Index") -> Iterator[Outcome]:
        shared = index.shared([words(row.problem.question) for row in batch]) if self.ngram else {}
        for at, row in enumerate(batch):
            if same := index.same(row.problem.question) or index.same(stem(row.problem)):
                yield Dropped(row, f"in_{_set_of(same)}", f"is the question {same.name}")
            elif at in shared:
                reference, gram = shared[at]
                detail = f"shares {gram!r} with {reference.name}"
                yield Dropped(row, f"{self.ngram}_gram_of_{_set_of(reference)}", detail)
            else:
                yield row


def stem(problem: Problem) -> str:
    """The question without its choices, which an eval may list differently or not at all (GPQA)."""
    if not problem.choices:
        return problem.question
    return problem.question.partition(problem.choices[0])[0].strip().removesuffix("Answer Choices:")


def _set_of(reference: Reference) -> str:
    return reference.name.partition(" ")[0]


class _Index:
    """The n-grams of all references, sorted, each with one position where it occurs."""

    def __init__(self, references: tuple[Reference, ...], n: int) -> None:
        self._references, self._n = references, n
        self._words = [words(one.question) for one in references]
        self._same = {key: one for one in reversed(references) if (key := bare(one.question))}
        grams, which, within = grams_of(self._words, n) if n else (_no_hashes(), _no_places(), _no_places())
        self._grams, first = np.unique(grams, return_index=True)
        self._which, self._within = which[first], within[first]

    def same(self, question: str) -> Reference | None:
        return self._same.get(bare(question))

    def shared(self, texts: Sequence[Sequence[str]]) -> dict[int, tuple[Reference, str]]:
        """For each text (by index) that shares an n-gram: the reference, and the shared words."""
        if not len(self._grams):
            return {}
        grams, which, within = grams_of(texts, self._n)
        at = np.minimum(np.searchsorted(self._grams, grams), len(self._grams) - 1)
        hits = np.flatnonzero(self._grams[at] == grams)
        found: dict[int, tuple[Reference, str]] = {}
        for hit in hits.tolist():
            text, start = int(which[hit]), int(within[hit])
            place = int(at[hit])
            theirs, from_word = int(self._which[place]), int(self._within[place])
            gram = texts[text][start : start + self._n]
            # Equal hashes almost always mean equal words; compare the words to be sure.
            if text not in found and gram == self._words[theirs][from_word : from_word + self._n]:
                found[text] = (self._references[theirs], " ".join(gram))
        return found


def _no_hashes() -> Numbers:
    return np.zeros(0, dtype=np.uint64)


def _no_places() -> Places:
    return np.zeros(0, dtype=np.int64)
