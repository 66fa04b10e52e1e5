"""What votes over a problem's samples reach, for k = 1, 2, 4, ... and all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from evals.report.read import CellRun
from evals.row import ResultRow
from evals.stats.intervals import wilson
from evals.stats.votes import GradedSample, ballots_of, majority_at, pass_at

Problems = Sequence[Sequence[ResultRow]]
"""The samples of each problem."""


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
    told: str = ""
    """What tells the samples' sampling from others; empty where there is one."""


def votes_of(drawn: Sequence[tuple[Sequence[CellRun], str]]) -> list[list[Vote]]:
    """For the cells of each set of samples, and what is told of it, its votes.

    All sets are compared in one pool of graders.
    """
    samples = [_by_problem(cells) for cells, _ in drawn]
    if not any(samples):
        return [[] for _ in samples]
    ballots = iter(ballots_of([[row.extracted for row in one] for problems in samples for one in problems]))
    return [
        _votes(problems, [next(ballots) for _ in problems], told)
        for problems, (_, told) in zip(samples, drawn, strict=True)
    ]


def _by_problem(cells: Sequence[CellRun]) -> Problems:
    rows: dict[str, list[ResultRow]] = {}
    for cell in sorted(cells, key=lambda one: (one.seed, one.repeat)):
        for row in cell.rows:
            rows.setdefault(row.problem_id, []).append(row)
    return list(rows.values())


def _votes(problems: Problems, ballots: Sequence[Sequence[int | None]], told: str) -> list[Vote]:
    n = min(map(len, problems), default=0)
    steps = sorted({k for k in (2**power for power in range(20)) if k <= n} | ({n} if n else set()))
    samples = [
        [GradedSample(vote, row.score) for row, vote in zip(one, votes, strict=True) if row.score is not None]
        for one, votes in zip(problems, ballots, strict=True)
    ]
    tokens = [row.thinking_tokens for one in problems for row in one if row.thinking_tokens is not None]
    mean = fmean(tokens) if tokens else None
    return [_vote(k, mean, [one for one in samples if len(one) >= k], told) for k in steps]


def _vote(k: int, tokens: float | None, samples: Sequence[Sequence[GradedSample]], told: str) -> Vote:
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
        told=told,
    )
