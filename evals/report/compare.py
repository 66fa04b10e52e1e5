"""Two runs on the same problems, arm by arm: the difference, its interval, and McNemar's exact test.

Refused where the problems differ: a difference between other problems is none between the models.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from evals.report.decoding import Decoding, labelled, told_apart
from evals.report.read import CellRun, ReportError, read_runs
from evals.report.table import table
from evals.stats.intervals import mcnemar, paired_bootstrap

Key = tuple[str, str, Decoding]
"""Task, arm and sampling."""

SEED = 0
HEAD = (
    "task",
    "arm",
    "n",
    "A %",
    "B %",
    "B - A",
    "95% interval",
    "only A right",
    "only B right",
    "p",
)


@dataclass(frozen=True, slots=True)
class Compared:
    """One arm of both runs.

    `only_a` and `only_b` count problems that one run alone solved, in every repeat; `p` is None where a
    problem was solved in a part of its repeats.
    """

    task: str
    arm: str
    problems: int
    a: float
    b: float
    difference: tuple[float, float, float]
    only_a: int
    only_b: int
    p: float | None

    @property
    def cells(self) -> tuple[str, ...]:
        """The table's line."""
        mean, low, high = self.difference
        return (
            *(self.task, self.arm, str(self.problems), f"{self.a:.1f}", f"{self.b:.1f}", f"{mean:+.1f}"),
            *(f"{low:+.1f} to {high:+.1f}", str(self.only_a), str(self.only_b)),
            "" if self.p is None else f"{self.p:.3g}",
        )


def compare(a: Path, b: Path) -> str:
    """The table of every arm that both folders have, and the arms that one alone has; p is McNemar's.

    An arm of several samplings is compared in each that both have; one of a single sampling in each folder
    is compared whatever they are, and its line tells them.

    Raises:
        ReportError: no arm is in both, or the problems of one differ.
    """
    ours, theirs = _arms(a), _arms(b)
    pairs = [(key, other) for key in ours if (other := _partner(key, ours, theirs))]
    if not pairs:
        raise ReportError(f"{a} and {b}: no task and arm, of the same sampling, that both have")
    names = _names([*ours, *theirs])
    rows = [
        _compared(key[0], _pair_name(key, other, names), ours[key], theirs[other], a, b).cells
        for key, other in pairs
    ]
    parts = [f"A: {a}, {_models(ours)}. B: {b}, {_models(theirs)}.", table(HEAD, rows)]
    for where, mine, met in (
        (a, ours, [key for key, _ in pairs]),
        (b, theirs, [other for _, other in pairs]),
    ):
        if alone := [f"{key[0]} {names[key]}" for key in mine if key not in met]:
            parts.append(f"Only in {where}: {', '.join(alone)}.")
    return "\n\n".join(parts)


def _partner(key: Key, ours: Iterable[Key], theirs: Iterable[Key]) -> Key | None:
    """The other folder's arm that one is compared with."""
    mine, others = ([each for each in keys if each[:2] == key[:2]] for keys in (ours, theirs))
    if key in others:
        return key
    return others[0] if len(mine) == len(others) == 1 else None


def _names(keys: Iterable[Key]) -> dict[Key, str]:
    """The arms, with their samplings where either folder has another of the same arm."""
    found = list(dict.fromkeys(keys))
    return {
        key: labelled(key[1], told_apart(each[2] for each in found if each[:2] == key[:2])[key[2]])
        for key in found
    }


def _pair_name(key: Key, other: Key, names: Mapping[Key, str]) -> str:
    return names[key] if key == other else f"A: {names[key]}; B: {names[other]}"


def _arms(out: Path) -> dict[Key, list[CellRun]]:
    found: dict[Key, list[CellRun]] = {}
    for run in read_runs(out):
        found.setdefault((run.task, run.arm.name, run.decoding), []).append(run)
    for (task, arm, _), runs in found.items():
        models = {run.model for run in runs}
        if len(models) > 1:
            raise ReportError(
                f"{out}: {task} {arm} was run by {', '.join(sorted(models))}: compare one model a run"
            )
    return found


def _models(arms: Mapping[Key, Sequence[CellRun]]) -> str:
    return ", ".join(dict.fromkeys(run.model for runs in arms.values() for run in runs))


def _compared(
    task: str, arm: str, ours: Sequence[CellRun], theirs: Sequence[CellRun], a: Path, b: Path
) -> Compared:
    first, second = _problems(ours), _problems(theirs)
    if first.keys() != second.keys():
        odd = sorted(first.keys() ^ second.keys())
        where = a if odd[0] in first else b
        raise ReportError(
            f"{task} {arm}: the problems differ ({len(odd)} are in one run alone, as {odd[0]!r} in {where}); "
            f"run both on the same --data, --problems and --seed"
        )
    if other := _first_other(ours, theirs):
        raise ReportError(
            f"{task} {arm}: the problems differ: {other[0]!r} has one {other[1]} in {a} and another in {b}"
        )
    # What could not be graded in one run is left out of both.
    pairs = [
        (x, y)
        for name in first
        if (x := _mean(first[name])) is not None and (y := _mean(second[name])) is not None
    ]
    if not pairs:
        raise ReportError(f"{task} {arm}: no problem that both runs have graded")
    left, right = [100 * x for x, _ in pairs], [100 * y for _, y in pairs]
    only_a, only_b = pairs.count((1.0, 0.0)), pairs.count((0.0, 1.0))
    whole = all(x in (0.0, 1.0) and y in (0.0, 1.0) for x, y in pairs)
    return Compared(
        task=task,
        arm=arm,
        problems=len(pairs),
        a=fmean(left),
        b=fmean(right),
        difference=paired_bootstrap(right, left, SEED),
        only_a=only_a,
        only_b=only_b,
        p=mcnemar(only_a, only_b) if whole else None,
    )


def _first_other(ours: Sequence[CellRun], theirs: Sequence[CellRun]) -> tuple[str, str] | None:
    """A problem that is another one behind the same id, and what of it differs; None: all are the same.

    What one run has not stored is not compared; what a run appends to questions is no part of them.
    """
    told = {row.problem_id: (run, row) for run in ours for row in run.rows}
    told_of_seed = {(run.seed, row.problem_id): (run, row) for run in ours for row in run.rows}
    for run in theirs:
        for row in run.rows:
            other_run, other = told_of_seed.get((run.seed, row.problem_id), told[row.problem_id])
            questions = (
                row.prompt.removesuffix(run.suffix).rstrip(),
                other.prompt.removesuffix(other_run.suffix).rstrip(),
            )
            for what, pair in (("question", questions), ("reference", (row.reference, other.reference))):
                if all(pair) and pair[0] != pair[1]:
                    return row.problem_id, what
    return None


def _mean(scores: Sequence[float | None]) -> float | None:
    known = [score for score in scores if score is not None]
    return fmean(known) if known else None


def _problems(runs: Sequence[CellRun]) -> dict[str, list[float | None]]:
    found: dict[str, list[float | None]] = {}
    for run in runs:
        for row in run.rows:
            found.setdefault(row.problem_id, []).append(row.score)
    return found
