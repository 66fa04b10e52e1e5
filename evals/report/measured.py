"""The results of an arm: accuracy with its interval, tokens, cost, Control, escapes; the measures of methods.

Arms are grouped by task and model, and compared with the group's natural stop of the same sampling.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from evals.methods import NATURAL, Arm
from evals.report.decoding import Decoding, labelled, told_apart
from evals.report.lengths import Lengths, lengths_of
from evals.report.natural import NaturalStop, by_problem, ending_of, mean
from evals.report.read import CellRun
from evals.report.votes import Vote, votes_of
from evals.row import ResultRow
from evals.stats.escape import FORCED, escape_rate
from evals.stats.intervals import wilson, worth
from evals.stats.scaling import CurvePoint, control, performance, scaling
from server.reasoning.ends import End

Cells = Sequence[CellRun]
"""The repeats of an arm."""
SAMPLES = "sample"
"""The method whose arms are measured by votes."""
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
    decoding: Decoding
    told: str
    """What tells its sampling from the others of its group; empty where there is one."""
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
    def label(self) -> str:
        """The arm's name, with its sampling where there are several."""
        return labelled(self.arm.name, self.told)

    @property
    def kind(self) -> str:
        """The arm's method, with a non-default nudge; with `told`, its line in the figure and measures."""
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

    def line(self, kind: str, told: str = "") -> list[Measured]:
        """The arms of a line."""
        return [one for one in self.arms if (one.kind, one.told) == (kind, told)]

    @property
    def lines(self) -> list[tuple[str, str]]:
        """Kind and sampling of all lines."""
        return list(dict.fromkeys((one.kind, one.told) for one in self.arms))

    @property
    def counts_tokens(self) -> bool:
        """Whether the endpoint reported thinking tokens for any arm: otherwise there is no figure."""
        counts = [*(one.tokens for one in self.arms), *(vote.tokens for vote in self.votes)]
        return any(one is not None for one in counts)

    @property
    def naturals(self) -> list[Measured]:
        """The natural stop of each sampling that it was run with."""
        return [one for one in self.arms if one.arm.method == NATURAL.method]


def groups_of(runs: Sequence[CellRun]) -> list[Group]:
    """The groups of these runs, in order."""
    members: dict[tuple[str, str], list[CellRun]] = {}
    for run in runs:
        members.setdefault((run.task, run.model), []).append(run)
    by_arm = [_by_arm(found) for found in members.values()]
    drawn = [[cells for cells in arms if cells[0].arm.method == SAMPLES] for arms in by_arm]
    votes = iter(
        votes_of(
            [
                (cells, _told(arms, cells))
                for arms, found in zip(by_arm, drawn, strict=True)
                for cells in found
            ]
        )
    )
    return [
        _group(task, model, arms, [vote for _ in found for vote in next(votes)])
        for (task, model), arms, found in zip(members, by_arm, drawn, strict=True)
    ]


def _by_arm(runs: Sequence[CellRun]) -> list[Cells]:
    found: dict[tuple[str, Decoding], list[CellRun]] = {}
    for run in runs:
        found.setdefault((run.arm.name, run.decoding), []).append(run)
    return list(found.values())


def _told(by_arm: Sequence[Cells], cells: Cells) -> str:
    """The sampling of an arm if others of its group have another; those that must sample are apart."""
    first = cells[0]
    alike = [each[0].decoding for each in by_arm if each[0].arm.sampled == first.arm.sampled]
    return told_apart(alike)[first.decoding]


def _group(task: str, model: str, by_arm: Sequence[Cells], votes: Sequence[Vote]) -> Group:
    stops = {
        cells[0].decoding: NaturalStop([row for cell in cells for row in cell.rows])
        for cells in by_arm
        if cells[0].arm.method == NATURAL.method
    }
    first = by_arm[0][0].rows
    parts = _names(first, _domain), _names(first, _level)
    arms = [
        _measured(cells, _told(by_arm, cells), _stop_of(cells[0], stops), *parts)
        for cells in by_arm
        if cells[0].arm.method != SAMPLES
    ]
    return Group(task, model, arms, votes, _methods(arms))


def _stop_of(run: CellRun, stops: Mapping[Decoding, NaturalStop]) -> NaturalStop:
    """The natural stop that an arm is compared with: of its own sampling.

    An arm that must sample has a temperature of its own, and is compared with the only one of its top-p.
    """
    if run.decoding in stops:
        return stops[run.decoding]
    near = [stop for decoding, stop in stops.items() if decoding.top_p == run.decoding.top_p]
    return near[0] if run.arm.sampled and len(near) == 1 else NaturalStop([])


def _measured(
    cells: Cells, told: str, natural: NaturalStop, domains: Sequence[str], levels: Sequence[str]
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
        decoding=cells[0].decoding,
        told=told,
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
    members: dict[tuple[str, str], list[Measured]] = {}
    for one in arms:
        if one.arm.method != NATURAL.method:
            start = [
                stop
                for stop in arms
                if stop.arm.method == NATURAL.method
                and one.arm.method == "waits"
                and stop.decoding == one.decoding
            ]
            members.setdefault((one.kind, one.told), start).append(one)
    forcing = {
        ("budget forcing (max + waits)", told): found + members["waits", told]
        for (kind, told), found in members.items()
        if kind == "max" and ("waits", told) in members
    }
    return [_method(labelled(*line), found) for line, found in (forcing | members).items()]


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
    seen: set[Decoding] = set()
    for one in sorted(
        arms, key=lambda each: each.arm.method != NATURAL.method
    ):  # the natural stop itself first
        if one.untouched and one.decoding in seen:
            continue
        if one.untouched:
            seen.add(one.decoding)
        found.append(one)
    return found
