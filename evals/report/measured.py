"""The results of an arm: accuracy with its interval, tokens, Control, escapes; and the measures of methods.

Arms are grouped by task and model, and compared with the group's natural stop, problem by problem.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from evals.methods import NATURAL, Arm
from evals.report.read import CellRun
from evals.row import ResultRow
from evals.stats.escape import FORCED, Ending, escape_rate, longest_answer
from evals.stats.intervals import paired_bootstrap, wilson, worth
from evals.stats.scaling import CurvePoint, control, kept, performance, scaling
from evals.stats.votes import GradedSample, ballots_of, majority_at, pass_at

BOOTSTRAP_SEED = 0
CUT = "length"
"""The finish reason of a reply that ended at a limit of tokens."""


@dataclass(frozen=True, slots=True)
class Measured:
    """An arm over its problems and repeats. Accuracies are percent of graded; tokens are means per answer."""

    arm: Arm
    temperature: float
    problems: int
    answers: int
    """`problems` times repeats."""
    graded: int
    right: int
    accuracy: float
    low: float
    high: float
    tokens: float | None
    """Mean thinking tokens; of all samples together for the server's scaling methods."""
    written_tokens: float | None
    answer_tokens: float | None
    forced_share: float | None
    waits_used: float | None
    control: float | None
    escapes: float | None
    silent: float | None
    """Share of the replies that name no answer; an empty one is among them."""
    cut: float | None
    """Share of the replies that ended at a limit of tokens."""
    completed: float | None
    """Accuracy of the replies that were not cut, percent."""
    against_natural: tuple[float, float, float] | None
    grading_failures: int
    errors: int
    run: CurvePoint
    domains: dict[str, float]

    @property
    def line(self) -> str:
        """The arm's line in the figure and row in the measures: its method, with a non-default nudge."""
        if self.arm.scaling is not None:
            return str(self.arm.scaling["method"])
        nudge = self.arm.budget.nudge
        return f'{self.arm.method} "{nudge}"' if nudge else self.arm.method


@dataclass(frozen=True, slots=True)
class Vote:
    """What a vote reaches over all subsets of k samples of every problem.

    `tokens` is the thinking that k samples cost together.
    """

    k: int
    problems: int
    tokens: float | None
    majority: float
    low: float
    high: float
    pass_at_k: float


@dataclass(frozen=True, slots=True)
class MethodMeasured:
    """The paper's three measures of one method, and the share of single problems within their limit."""

    name: str
    runs: int
    control: float | None
    problem_control: float | None
    scaling: float | None
    performance: float


@dataclass(frozen=True, slots=True)
class Group:
    """All results of one task and model."""

    task: str
    model: str
    arms: Sequence[Measured]
    votes: Sequence[Vote]
    methods: Sequence[MethodMeasured]

    @property
    def file_name(self) -> str:
        """The group's name, as part of a file name."""
        return "".join(c if c.isalnum() else "_" for c in f"{self.task}-{self.model}")

    def line(self, name: str) -> list[Measured]:
        """The arms of a line."""
        return [one for one in self.arms if one.line == name]

    @property
    def lines(self) -> list[str]:
        """The names of all lines."""
        return list(dict.fromkeys(one.line for one in self.arms))

    @property
    def counts_tokens(self) -> bool:
        """Whether the endpoint reported thinking tokens for any arm: otherwise there is no figure."""
        counts = [*(one.tokens for one in self.arms), *(vote.tokens for vote in self.votes)]
        return any(one is not None for one in counts)

    @property
    def natural(self) -> Measured | None:
        """The natural stop, if it was run."""
        return next(iter(self.line(NATURAL.method)), None)


def groups_of(runs: Sequence[CellRun]) -> list[Group]:
    """The groups of these runs, in order."""
    keys = dict.fromkeys((run.task, run.model) for run in runs)
    return [
        _group(task, model, [r for r in runs if (r.task, r.model) == (task, model)]) for task, model in keys
    ]


def _group(task: str, model: str, runs: Sequence[CellRun]) -> Group:
    keys = dict.fromkeys((run.arm.name, run.temperature, run.seed) for run in runs)
    by_arm = [[r for r in runs if (r.arm.name, r.temperature, r.seed) == key] for key in keys]
    natural = next((cells for cells in by_arm if cells[0].arm.method == NATURAL.method), None)
    arms = [_measured(cells, natural) for cells in by_arm if cells[0].arm.method != "sample"]
    samples = next((cells for cells in by_arm if cells[0].arm.method == "sample"), [])
    return Group(task, model, arms, _votes(samples), _methods(arms))


def _measured(cells: Sequence[CellRun], natural: Sequence[CellRun] | None) -> Measured:
    rows = [row for cell in cells for row in cell.rows]
    graded = [row for row in rows if row.score is not None]
    replies = [row for row in rows if not row.error]
    right = sum(row.score == 1.0 for row in graded)
    accuracy = right / len(graded) if graded else 0.0
    independent = worth(list(_by_problem(rows).values()))
    low, high = wilson(accuracy * independent, independent)
    arm = cells[0].arm
    tokens = _mean(row.thinking_tokens if arm.scaling is None else row.spent_tokens for row in rows)
    stops = [row for cell in natural or () for row in cell.rows]
    at_least, at_most = _limits(arm, _mean(row.thinking_tokens for row in stops))
    if tokens is None:  # without counts no limit can be checked
        at_least = at_most = None
    ends = [_ending(row) for row in rows]
    return Measured(
        arm=arm,
        temperature=cells[0].temperature,
        problems=len({row.problem_id for row in rows}),
        answers=len(rows),
        graded=len(graded),
        right=right,
        accuracy=100 * accuracy,
        low=100 * low,
        high=100 * high,
        tokens=tokens,
        written_tokens=_mean(row.written_tokens for row in rows),
        answer_tokens=_mean(row.answer_tokens for row in rows),
        forced_share=_mean(float(row.end in FORCED) for row in rows if row.end is not None),
        waits_used=_mean(row.waits_used for row in rows),
        control=_control(arm, rows, stops),
        silent=_mean(float(row.extracted is None) for row in replies),
        cut=_mean(float(row.finish_reason == CUT) for row in replies),
        completed=_mean(
            100 * row.score for row in graded if row.finish_reason != CUT and row.score is not None
        ),
        escapes=escape_rate(ends, longest_answer([_ending(row) for row in stops])),
        against_natural=_difference(rows, natural) if arm.method != NATURAL.method else None,
        grading_failures=sum(bool(row.grading_failure) for row in rows),
        errors=sum(bool(row.error) for row in rows),
        run=CurvePoint(tokens or 0.0, 100 * accuracy, at_least, at_most, _held(arm, rows)),
        domains=_domains(graded),
    )


def _held(arm: Arm, rows: Sequence[ResultRow]) -> float | None:
    """The mean number of thinking tokens that the arm's limit applies to."""
    return _mean(row.spent_tokens if arm.promise.of_all else row.thinking_tokens for row in rows)


def _domains(graded: Sequence[ResultRow]) -> dict[str, float]:
    """Accuracy per domain in percent, in the order of the problems."""
    found: dict[str, list[float]] = {}
    for row in graded:
        found.setdefault(row.domain, []).append(row.score or 0.0)
    return {name: 100 * fmean(scores) for name, scores in found.items()}


def _limits(arm: Arm, stop: float | None) -> tuple[float | None, float | None]:
    """a_min and a_max; arms limited relative to the natural stop get its mean."""
    promise = arm.promise
    if promise.than_natural is None:
        return promise.at_least, promise.at_most
    return (stop, None) if promise.than_natural == "more" else (None, stop)


def _control(arm: Arm, rows: Sequence[ResultRow], stops: Sequence[ResultRow]) -> float | None:
    """Percent of problems within the limit, each against its own natural stop; None without a limit."""
    tokens: dict[str, list[int]] = {}
    for row in stops:
        if row.thinking_tokens is not None:
            tokens.setdefault(row.problem_id, []).append(row.thinking_tokens)
    held = []
    for row in rows:
        stop = fmean(tokens[row.problem_id]) if row.problem_id in tokens else None
        at_least, at_most = _limits(arm, stop)
        spent = row.spent_tokens if arm.promise.of_all else row.thinking_tokens
        if spent is not None and (at_least is not None or at_most is not None):
            held.append(kept(spent, at_least, at_most))
    return 100 * fmean(held) if held else None


def _ending(row: ResultRow) -> Ending:
    return Ending(row.end, row.thinks_on, row.answer_tokens)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _difference(
    rows: Sequence[ResultRow], natural: Sequence[CellRun] | None
) -> tuple[float, float, float] | None:
    """Percentage points above the natural stop with their interval, over problems graded in both."""
    ours, theirs = _scores(rows), _scores([row for cell in natural or () for row in cell.rows])
    both = [name for name in ours if name in theirs]
    if not both:
        return None
    mean, low, high = paired_bootstrap(
        [100 * ours[name] for name in both], [100 * theirs[name] for name in both], BOOTSTRAP_SEED
    )
    return mean, low, high


def _scores(rows: Sequence[ResultRow]) -> dict[str, float]:
    """The mean score of each problem over its repeats."""
    return {name: fmean(scores) for name, scores in _by_problem(rows).items()}


def _by_problem(rows: Sequence[ResultRow]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for row in rows:
        if row.score is not None:
            found.setdefault(row.problem_id, []).append(row.score)
    return found


def _votes(cells: Sequence[CellRun]) -> list[Vote]:
    """For k = 1, 2, 4, ... and n, over all subsets of k of a problem's n samples."""
    rows: dict[str, list[ResultRow]] = {}
    for cell in sorted(cells, key=lambda one: one.repeat):
        for row in cell.rows:
            rows.setdefault(row.problem_id, []).append(row)
    n = min((len(one) for one in rows.values()), default=0)
    steps = sorted({k for k in (2**power for power in range(20)) if k <= n} | ({n} if n else set()))
    problems = list(rows.values())
    ballots = ballots_of([[row.extracted for row in one] for one in problems])
    samples = [
        [GradedSample(vote, row.score) for row, vote in zip(one, votes, strict=True) if row.score is not None]
        for one, votes in zip(problems, ballots, strict=True)
    ]
    tokens = _mean(row.thinking_tokens for one in problems for row in one)
    return [_vote(k, tokens, [one for one in samples if len(one) >= k]) for k in steps]


def _vote(k: int, tokens: float | None, samples: Sequence[Sequence[GradedSample]]) -> Vote:
    """Of the problems that have k graded samples."""
    scores = [majority_at(k, one) for one in samples]
    low, high = wilson(sum(scores), len(scores))
    passed = [pass_at(k, sum(s.score == 1.0 for s in one), len(one)) for one in samples]
    return Vote(
        k=k,
        problems=len(samples),
        tokens=None if tokens is None else k * tokens,
        majority=100 * fmean(scores) if scores else 0.0,
        low=100 * low,
        high=100 * high,
        pass_at_k=100 * fmean(passed) if passed else 0.0,
    )


def _methods(arms: Sequence[Measured]) -> list[MethodMeasured]:
    """The methods with their arms; the natural stop counts as zero Waits, as part of budget forcing."""
    natural = [one for one in arms if one.arm.method == NATURAL.method]
    members: dict[str, list[Measured]] = {}
    for one in arms:
        if one.arm.method != NATURAL.method:
            start = natural if one.arm.method == "waits" else []
            members.setdefault(one.line, list(start)).append(one)
    if "max" in members and "waits" in members:
        members = {"budget forcing (max + waits)": members["max"] + members["waits"]} | members
    return [_method(name, found) for name, found in members.items()]


def _method(name: str, arms: Sequence[Measured]) -> MethodMeasured:
    runs = [one.run for one in arms]
    shares = [one.control for one in arms if one.control is not None]
    return MethodMeasured(
        name=name,
        runs=len(runs),
        control=control(runs),
        problem_control=fmean(shares) if shares else None,
        scaling=scaling(runs),
        performance=performance(runs),
    )
