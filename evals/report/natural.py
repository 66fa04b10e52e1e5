"""A group's natural stop, which the other arms are compared with problem by problem."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from evals.methods import Arm
from evals.row import ResultRow
from evals.stats.escape import Ending, longest_answer
from evals.stats.intervals import paired_bootstrap
from evals.stats.scaling import kept

BOOTSTRAP_SEED = 0


class NaturalStop:
    """What is needed of its rows, computed once; without rows if it was not run."""

    def __init__(self, rows: Sequence[ResultRow]) -> None:
        self.tokens = mean(row.thinking_tokens for row in rows)
        """Mean thinking tokens."""
        self.longest_answer = longest_answer([ending_of(row) for row in rows])
        """In tokens: a longer one counts as thinking."""
        self._scores = _means(by_problem(rows))
        counted: dict[str, list[int]] = {}
        for row in rows:
            if row.thinking_tokens is not None:
                counted.setdefault(row.problem_id, []).append(row.thinking_tokens)
        self._tokens = _means(counted)

    def difference(self, scores: Mapping[str, Sequence[float]]) -> tuple[float, float, float] | None:
        """Percentage points above it with their interval, over problems graded in both."""
        ours = _means(scores)
        both = [name for name in ours if name in self._scores]
        if not both:
            return None
        return paired_bootstrap(
            [100 * ours[name] for name in both], [100 * self._scores[name] for name in both], BOOTSTRAP_SEED
        )

    def limits(self, arm: Arm) -> tuple[float | None, float | None]:
        """a_min and a_max of an arm; one that is limited relative to the natural stop gets its mean."""
        return _limits(arm, self.tokens)

    def control(self, arm: Arm, rows: Sequence[ResultRow]) -> float | None:
        """Percent of replies within the limit, each against its problem's own natural stop.

        None without a limit.
        """
        if arm.promise.than_natural is None and _limits(arm, None) == (None, None):
            return None
        held = []
        for row in rows:
            at_least, at_most = _limits(arm, self._tokens.get(row.problem_id))
            spent = row.spent_tokens if arm.promise.of_all else row.thinking_tokens
            if spent is not None and (at_least is not None or at_most is not None):
                held.append(kept(spent, at_least, at_most))
        return 100 * sum(held) / len(held) if held else None


def _limits(arm: Arm, stop: float | None) -> tuple[float | None, float | None]:
    promise = arm.promise
    if promise.than_natural is None:
        return promise.at_least, promise.at_most
    return (stop, None) if promise.than_natural == "more" else (None, stop)


def ending_of(row: ResultRow) -> Ending:
    """How the row's thinking ended."""
    return Ending(row.end, row.thinks_on, row.answer_tokens)


def by_problem(rows: Sequence[ResultRow]) -> dict[str, list[float]]:
    """The scores of each problem's graded rows."""
    found: dict[str, list[float]] = {}
    for row in rows:
        if row.score is not None:
            found.setdefault(row.problem_id, []).append(row.score)
    return found


def mean(values: Iterable[float | None]) -> float | None:
    """Of the values that are known; None without any."""
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _means(values: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {name: found[0] if len(found) == 1 else fmean(found) for name, found in values.items()}
