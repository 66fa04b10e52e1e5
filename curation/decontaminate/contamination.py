"""Drop a question that shares an n-gram of words with an eval's question, or is equal to one.

The paper says "more than an 8-gram overlap"; its code drops on any shared 8-gram, and so does this. Its
script for AIME ran afterwards without the check, which let a MATH500 item in; here every source passes this
stage.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from curation.decontaminate.grams import Numbers, Places, bare_words, grams_from, in_batches, numbered, words
from curation.decontaminate.references import EvalQuestion
from curation.decontaminate.same import bare
from curation.row import Dropped, Outcome, Row
from server.reasoning.records import Problem

DEFAULT_NGRAM = 8
DEFAULT_MATCH = "words"
MATCHES: dict[str, Callable[[str], list[str]]] = {"words": bare_words, "paper": words}
SHORTEST = 4
"""Words; a shorter question ("Find x + 1.") drops only what is the same question."""


@dataclass(frozen=True, slots=True)
class Contamination:
    """`ngram` 0 compares whole questions only: procedural problems all share their wording.

    `match` "paper" is s1's rule to the letter; "words" sees through punctuation and TeX, and finds an eval's
    question of under `ngram` words, whole, inside a longer one.
    """

    references: tuple[EvalQuestion, ...]
    ngram: int = DEFAULT_NGRAM
    match: str = DEFAULT_MATCH

    def __call__(self, rows: Iterable[Row]) -> Iterator[Outcome]:
        """Yield every row, or its `Dropped` with the reference and the words that it shares."""
        index = _Index(self.references, self.ngram, self.match)
        for batch in in_batches(rows):
            yield from self._compare(batch, index)

    def _compare(self, batch: Sequence[Row], index: "_Index") -> Iterator[Outcome]:
        shared = index.shared([row.problem.question for row in batch]) if self.ngram else {}
        for at, row in enumerate(batch):
            if same := index.same_as(row.problem):
                yield Dropped(row, f"in_{_set_of(same)}", f"is the question {same.name}")
            elif at in shared:
                reference, gram = shared[at]
                count = gram.count(" ") + 1
                what = f"{self.ngram}_gram" if count == self.ngram else "short_question"
                yield Dropped(
                    row, f"{what}_of_{_set_of(reference)}", f"shares {gram!r} with {reference.name}"
                )
            else:
                yield row


def stem(problem: Problem) -> str:
    """The question without its choices, which an eval may list differently or not at all (GPQA)."""
    if not problem.choices:
        return problem.question
    return problem.question.partition(problem.choices[0])[0].strip().removesuffix("Answer Choices:")


def _set_of(reference: EvalQuestion) -> str:
    return reference.name.partition(" ")[0]


class _Index:
    """The n-grams of all references, and the whole questions that are shorter."""

    def __init__(self, references: tuple[EvalQuestion, ...], n: int, match: str) -> None:
        self._references, self._words_of = references, MATCHES[match]
        self._same = {key: one for one in reversed(references) if (key := bare(one.question))}
        self._words = [self._words_of(one.question) for one in references]
        flat, counts = numbered(self._words)
        self._grams = [_Grams(*grams_from(flat, counts, n), n)] if n else []
        for m in range(SHORTEST, n if match == "words" else 0):
            # Of fewer than n words only a whole question counts.
            numbers, which, within = grams_from(flat, counts, m)
            whole = counts[which] == m
            self._grams.append(_Grams(numbers[whole], which[whole], within[whole], m))

    def same_as(self, problem: Problem) -> EvalQuestion | None:
        """The reference that is this question, with its choices or without."""
        told = dict.fromkeys((problem.question, stem(problem)))
        return next((same for each in told if (same := self._same.get(bare(each)))), None)

    def shared(self, questions: Sequence[str]) -> dict[int, tuple[EvalQuestion, str]]:
        """For each question that shares a run of words: with which reference, and which words."""
        texts = [self._words_of(question) for question in questions]
        flat, counts = numbered(texts)
        found: dict[int, tuple[EvalQuestion, str]] = {}
        for grams in self._grams:
            m, (numbers, which, within) = grams.n, grams_from(flat, counts, grams.n)
            for hit, place in grams.hits(numbers):
                text, start, theirs, from_word = int(which[hit]), int(within[hit]), *grams.at(place)
                gram = texts[text][start : start + m]
                # Equal numbers are almost always equal words; the words themselves decide.
                if text not in found and gram == self._words[theirs][from_word : from_word + m]:
                    found[text] = (self._references[theirs], " ".join(gram))
        return found


class _Grams:
    """The n-grams of the references, sorted, each with a place where it stands."""

    def __init__(self, numbers: Numbers, which: Places, within: Places, n: int) -> None:
        self.n = n
        self._numbers, first = np.unique(numbers, return_index=True)
        self._which, self._within = which[first], within[first]

    def hits(self, numbers: Numbers) -> Iterator[tuple[int, int]]:
        """(index of the number, place) of each number that the references have, too."""
        if not len(self._numbers):
            return
        at = np.minimum(np.searchsorted(self._numbers, numbers), len(self._numbers) - 1)
        for hit in np.flatnonzero(self._numbers[at] == numbers).tolist():
            yield hit, int(at[hit])

    def at(self, place: int) -> tuple[int, int]:
        """The reference, and the index of the first word in it."""
        return int(self._which[place]), int(self._within[place])
