"""The results of an arm: accuracy with its interval, tokens, cost, Control, escapes; the measures of methods.

Arms are grouped by task and model, and compared with the group's natural stop.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from evals.methods import NATURAL, Arm
from evals.report.lengths import Lengths, lengths_of
from evals.report.natural import NaturalStop, by_problem, ending_of, mean
from evals.report.read import CellRun
from evals.report.votes import Vote, votes_of
from evals.row import ResultRow
from evals.stats.escape import FORCED, escape_rate
from evals.stats.intervals import wilson, worth
from evals.stats.scaling import CurvePoint, control, performance, scaling
from server.reasoning.ends import End

CUT = "length"
"""The finish reason of a reply that ended at a limit of tokens."""
MAX_PARTS = 12
"""Columns of a table of accuracy by domain or level: MATH has 7 subjects and 5 levels, GPQA 3 domains."""
OTHERS = "others"
"""The column of the domains or levels beyond that, the smallest ones."""
LIMITS = frozenset({"max_tokens", "min_tokens", "num_waits", "nudge", "grace_tokens"})
"""The fields of a budget that do nothing to thinking that stays within them."""


@dataclass(frozen=True, slots=True)
class Measured:
    """An arm over its problems and repeats. Accuracies are percent of graded; tokens are means per answer."""

    arm: Arm
    temperature: float
    seed: int
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
    billed_tokens: float | None
    """Mean completion tokens of a problem, as `usage` tells any client: all samples, tries and probes."""
    seconds: float | None
    """Mean seconds of a problem's requests, as the client waited for them."""
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
    tokens_per_right: float | None
    """All generated tokens, of wrong replies, rejected tries and samples, too, for one right answer."""
    seconds_per_right: float | None
    """The same of the requests' seconds; requests in flight together share the server."""
    against_natural: tuple[float, float, float] | None
    grading_failures: int
    errors: int
    untouched: bool
    """Whether the arm's limit ended or extended no thinking: it is the natural stop over again."""
    run: CurvePoint
    lengths: Lengths
    domains: dict[str, float]
    levels: dict[str, float]

    @property
    def line(self) -> str:
        """The arm's line in the figure and row in the measures: its method, with a non-default nudge."""
        if self.arm.scaling is not None:
            return str(self.arm.scaling["method"])
        nudge = self.arm.budget.nudge
        return f'{self.arm.method} "{nudge}"' if nudge else self.arm.method


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
    members: dict[tuple[str, str], list[CellRun]] = {}
    for run in runs:
        members.setdefault((run.task, run.model), []).append(run)
    by_arm = [_by_arm(found) for found in members.values()]
    votes = votes_of([next((c for c in arms if c[0].arm.method == "sample"), []) for arms in by_arm])
    return [
        _group(task, model, arms, found)
        for (task, model), arms, found in zip(members, by_arm, votes, strict=True)
    ]


def _by_arm(runs: Sequence[CellRun]) -> list[list[CellRun]]:
    found: dict[tuple[str, float, int], list[CellRun]] = {}
    for run in runs:
        found.setdefault((run.arm.name, run.temperature, run.seed), []).append(run)
    return list(found.values())


def _group(task: str, model: str, by_arm: Sequence[Sequence[CellRun]], votes: Sequence[Vote]) -> Group:
    natural = next((cells for cells in by_arm if cells[0].arm.method == NATURAL.method), [])
    stop = NaturalStop([row for cell in natural for row in cell.rows])
    first = by_arm[0][0].rows
    domains, levels = _names(first, _domain), _names(first, _level)
    arms = [_measured(cells, stop, domains, levels) for cells in by_arm if cells[0].arm.method != "sample"]
    return Group(task, model, arms, votes, _methods(arms))


def _measured(
    cells: Sequence[CellRun], natural: NaturalStop, domains: Sequence[str], levels: Sequence[str]
) -> Measured:
    rows = [row for cell in cells for row in cell.rows]
    graded = [row for row in rows if row.score is not None]
    replies = [row for row in rows if not row.error]
    right = sum(row.score == 1.0 for row in graded)
    accuracy = right / len(graded) if graded else 0.0
    scores = by_problem(graded)
    independent = worth(list(scores.values()))
    low, high = wilson(accuracy * independent, independent)
    arm = cells[0].arm
    tokens = mean(row.thinking_tokens if arm.scaling is None else row.spent_tokens for row in rows)
    written, seconds = [_written(arm, row) for row in replies], [row.seconds for row in replies]
    # Without counts no limit can be checked.
    at_least, at_most = (None, None) if tokens is None else natural.limits(arm)
    return Measured(
        arm=arm,
        temperature=cells[0].temperature,
        seed=cells[0].seed,
        problems=len({row.problem_id for row in rows}),
        answers=len(rows),
        graded=len(graded),
        right=right,
        accuracy=100 * accuracy,
        low=100 * low,
        high=100 * high,
        tokens=tokens,
        billed_tokens=_whole_mean(written),
        seconds=_whole_mean(seconds),
        answer_tokens=mean(row.answer_tokens for row in rows),
        forced_share=mean(float(row.end in FORCED) for row in rows if row.end is not None),
        waits_used=mean(row.waits_used for row in rows),
        control=natural.control(arm, rows),
        silent=mean(float(row.extracted is None) for row in replies),
        cut=mean(float(row.finish_reason == CUT) for row in replies),
        completed=mean(
            100 * row.score for row in graded if row.finish_reason != CUT and row.score is not None
        ),
        tokens_per_right=_per_right(written, right),
        seconds_per_right=_per_right(seconds, right),
        escapes=escape_rate([ending_of(row) for row in rows if row.end in FORCED], natural.longest_answer),
        against_natural=natural.difference(scores) if arm.method != NATURAL.method else None,
        grading_failures=sum(bool(row.grading_failure) for row in rows),
        errors=len(rows) - len(replies),
        untouched=_untouched(arm, replies),
        run=CurvePoint(tokens or 0.0, 100 * accuracy, at_least, at_most, _held(arm, rows)),
        lengths=lengths_of(graded),
        domains=_parts(graded, _domain, domains),
        levels=_parts(graded, _level, levels),
    )


def _written(arm: Arm, row: ResultRow) -> int | None:
    """All generated tokens; of a single reply its thinking and its answer, as early results tell them."""
    single = arm.scaling is None and row.tries <= 1
    if row.written_tokens is not None or not single:
        return row.written_tokens
    if row.thinking_tokens is None or row.answer_tokens is None:
        return None
    return row.thinking_tokens + row.answer_tokens


def _whole_mean(costs: Sequence[float | None]) -> float | None:
    """None where a reply did not tell its cost."""
    return None if None in costs else mean(costs)


def _per_right(costs: Sequence[float | None], right: int) -> float | None:
    """None where no answer was right, or a reply did not tell its cost."""
    known = [cost for cost in costs if cost is not None]
    return sum(known) / right if right and len(known) == len(costs) else None


def _held(arm: Arm, rows: Sequence[ResultRow]) -> float | None:
    """The mean number of thinking tokens that the arm's limit applies to."""
    return mean(row.spent_tokens if arm.promise.of_all else row.thinking_tokens for row in rows)


def _untouched(arm: Arm, replies: Sequence[ResultRow]) -> bool:
    only_limits = arm.scaling is None and arm.accept_up_to is None and not arm.words
    if not only_limits or not arm.budget.as_json().keys() <= LIMITS:
        return False
    return bool(replies) and all(
        row.end not in (None, End.MAX_TOKENS, End.OFF) and row.waits_used == 0 for row in replies
    )


def _domain(row: ResultRow) -> str:
    return row.domain


def _level(row: ResultRow) -> str:
    return row.level


def _names(rows: Sequence[ResultRow], part: Callable[[ResultRow], str]) -> list[str]:
    """The domains or levels that have a column, in the order of the problems."""
    sizes = Counter(map(part, rows))
    kept = dict(sizes.most_common(MAX_PARTS - 1) if len(sizes) > MAX_PARTS else sizes)
    return [name for name in sizes if name in kept]


def _parts(
    graded: Sequence[ResultRow], part: Callable[[ResultRow], str], names: Sequence[str]
) -> dict[str, float]:
    """Accuracy of each in percent, in the order of the problems; the rest together."""
    found: dict[str, list[float]] = {}
    for row in graded:
        name = part(row)
        found.setdefault(name if name in names else OTHERS, []).append(row.score or 0.0)
    return {name: 100 * fmean(scores) for name, scores in found.items()}


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
        scaling=scaling([one.run for one in _distinct(arms)]),
        performance=performance(runs),
    )


def _distinct(arms: Sequence[Measured]) -> list[Measured]:
    """The arms, with one that no limit touched in place of all such arms of the same sampling.

    They are the natural stop over again, and need not agree to the token: a GPU's greedy decoding differs
    from batch to batch, and the slope between two nearly equal points is arbitrary.
    """
    found: list[Measured] = []
    seen: set[tuple[float, int]] = set()
    for one in sorted(
        arms, key=lambda each: each.arm.method != NATURAL.method
    ):  # the natural stop itself first
        sampling = (one.temperature, one.seed)
        if one.untouched and sampling in seen:
            continue
        if one.untouched:
            seen.add(sampling)
        found.append(one)
    return found
