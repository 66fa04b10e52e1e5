"""The stage that keeps the selected rows and drops the others: one pass selects, one pass writes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

from curation.row import Dropped, Outcome, Row
from curation.select.ablations import at_random, diverse, full, longest
from curation.select.algorithm1 import NOTEBOOK_FROM, algorithm1
from curation.select.candidate import Candidate, candidate, length_in
from curation.select.preselect import LONG, preselected

Choose = Callable[[Sequence[Candidate], int, Random], list[Candidate]]


@dataclass(frozen=True, slots=True)
class Algorithm1:
    """Preselection, then draws; `benchmark_from` as in `algorithm1`."""

    benchmark_from: int | None = None
    long: int = LONG

    def __call__(self, candidates: Sequence[Candidate], wanted: int, rng: Random) -> list[Candidate]:
        """Up to `wanted` of the candidates."""
        first = preselected(candidates, self.long)
        return algorithm1(candidates, first[:wanted], wanted, rng, self.benchmark_from)


SELECTIONS: dict[str, Choose] = {
    "paper": Algorithm1(),
    "notebook": Algorithm1(NOTEBOOK_FROM),
    "random": at_random,
    "diverse": diverse,
    "longest": longest,
    "full": full,
}


@dataclass(frozen=True, slots=True)
class Select:
    """`rows` must be iterable twice."""

    selection: str
    wanted: int
    seed: int
    length: str
    long: int = LONG

    def __call__(self, rows: Iterable[Row]) -> Iterator[Outcome]:
        """Keep the selected rows, drop the others as not_selected."""
        length = length_in(self.length)
        candidates = [candidate(row, length) for row in rows]
        rng = Random(f"{self.seed}:select")
        chosen = {one.id for one in self._choose()(candidates, self.wanted, rng)}
        for row in rows:
            yield row if row.problem.id in chosen else Dropped(row, "not_selected")

    def _choose(self) -> Choose:
        choose = SELECTIONS[self.selection]
        return replace(choose, long=self.long) if isinstance(choose, Algorithm1) else choose
