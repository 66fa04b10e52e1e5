"""Accuracy by thinking budget, with intervals, on problems held out from training."""

from dataclasses import dataclass
from math import sqrt

import torch
from tokenizers import Tokenizer

from server.reasoning.nano.problems import NanoProblem
from training.nano.decode import Thinking, answers, think
from training.nano.model import Nano

BUDGETS = (0, 16, 32, 64, 128, 256, 400)
WAITS = (0, 1, 2, 4, 6)
# Each maximum without Waits, and each number of Waits without a maximum.
GRID: tuple[tuple[int | None, int], ...] = (*((b, 0) for b in BUDGETS), *((None, w) for w in WAITS))
BATCH = 250
LONGEST = 1000


@dataclass(frozen=True, slots=True)
class BudgetResult:
    """The result of one budget. `low` and `high` are the accuracy's 95% interval (Wilson)."""

    max_tokens: int | None
    waits: int
    problems: int
    accuracy: float
    low: float
    high: float
    mean_tokens: float
    natural: float
    domains: dict[str, float]


def wilson(right: int, n: int) -> tuple[float, float]:
    """The 95% Wilson interval of `right` successes out of `n`."""
    z, share = 1.959964, right / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return middle - half, middle + half


def cell(
    right: list[bool], thoughts: list[Thinking], names: list[str], budget: int | None, waits: int
) -> BudgetResult:
    """The result of one budget, from the correctness and the thinking of each problem."""
    by_domain: dict[str, list[bool]] = {}
    for name, one in zip(names, right, strict=True):
        by_domain.setdefault(name, []).append(one)
    low, high = wilson(sum(right), len(right))
    lengths = [one.length(budget, waits) for one in thoughts]
    return BudgetResult(
        budget,
        waits,
        len(right),
        round(sum(right) / len(right), 4),
        round(low, 4),
        round(high, 4),
        round(sum(length for length, _ in lengths) / len(right), 1),
        round(sum(natural for _, natural in lengths) / len(right), 3),
        {name: round(sum(ones) / len(ones), 3) for name, ones in sorted(by_domain.items())},
    )


def sweep(
    model: Nano,
    tokenizer: Tokenizer,
    asked: list[NanoProblem],
    budgets: tuple[tuple[int | None, int], ...] = GRID,
) -> list[BudgetResult]:
    """Greedy accuracy under each (maximum or None, waits)."""
    model = model.to(torch.bfloat16)
    max_waits = max(waits for _, waits in budgets)
    right: dict[tuple[int | None, int], list[bool]] = {one: [] for one in budgets}
    thoughts: list[Thinking] = []
    for at in range(0, len(asked), BATCH):
        part = asked[at : at + BATCH]
        thought, cache = think(model, tokenizer, [p.question for p in part], max_waits, LONGEST)
        thoughts += thought
        for budget, waits in budgets:
            given = answers(model, tokenizer, thought, cache, budget, waits)
            right[budget, waits] += [a == p.answer for a, p in zip(given, part, strict=True)]
    names = [p.domain for p in asked]
    return [cell(right[budget, waits], thoughts, names, budget, waits) for budget, waits in budgets]
