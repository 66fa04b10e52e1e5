"""The ablation's table and figure, from ablation.json and the stored results only.

An accuracy is the mean over the seeds. Its interval, and that of a difference, is a two-level bootstrap:
seeds resampled per set, and problems resampled jointly for all sets (paired, as in the paper).
"""

import gzip
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.ablation.plan import Ablation, Checkpoint
from training.errors import TrainingError

RESAMPLES = 10_000
Scores = NDArray[np.float64]
"""Scores, shape [seeds, problems] or [problems]."""


@dataclass(frozen=True, slots=True)
class Line:
    """One set under one arm; accuracies and differences in percent, with 95% intervals."""

    set_name: str
    arm: str
    seeds: int
    accuracy: float
    low: float
    high: float
    lowest_seed: float
    highest_seed: float
    mean_thinking_tokens: float
    difference: tuple[float, float, float] | None
    """Difference to the first set: (value, low, high); None for the first set itself."""


def draw_all(ablation: Ablation) -> str:
    """Write table.json, table.md and ablation.png for what has been scored; returns the table.

    Raises:
        TrainingError: A result is missing or was not graded.
    """
    lines = lines_of(ablation)
    (ablation.out / "table.json").write_text(json.dumps([asdict(one) for one in lines], indent=2) + "\n")
    text = table(lines, json.loads((ablation.out / "ablation.json").read_text())["sets"])
    (ablation.out / "table.md").write_text(text)
    _draw(lines, ablation.out / "ablation.png")
    return text


def lines_of(ablation: Ablation) -> list[Line]:
    """The lines of all sets under all arms that have been scored."""
    scored = [one for one in ablation.checkpoints() if one.scored]
    out = []
    for arm in ("none", *(f"waits={n}" for n in ablation.waits)):
        reference: Scores | None = None
        for name in ablation.sets:
            own = [one for one in scored if one.set_name == name]
            if not own:
                continue
            cells = [read_cell(one, arm) for one in own]
            scores = np.stack([cell[0] for cell in cells])
            out.append(_line(name, arm, scores, float(np.mean([cell[1] for cell in cells])), reference))
            reference = scores if name == next(iter(ablation.sets)) else reference
    return out


def _line(name: str, arm: str, scores: Scores, tokens: float, reference: Scores | None) -> Line:
    drawn = _resampled(scores, 0)
    by_seed = 100 * scores.mean(axis=1)
    difference = None
    if reference is not None:
        gaps = 100 * (drawn - _resampled(reference, 1))
        low, high = np.percentile(gaps, [2.5, 97.5])
        gap = 100 * (scores.mean() - reference.mean())
        difference = (round(gap, 1), round(float(low), 1), round(float(high), 1))
    low, high = np.percentile(100 * drawn, [2.5, 97.5])
    return Line(
        name,
        arm,
        len(scores),
        round(100 * float(scores.mean()), 1),
        round(float(low), 1),
        round(float(high), 1),
        round(float(by_seed.min()), 1),
        round(float(by_seed.max()), 1),
        round(tokens, 1),
        difference,
    )


def _resampled(scores: Scores, stream: int) -> NDArray[np.float64]:
    """The means of RESAMPLES resamples, shape [RESAMPLES]; `scores` has shape [seeds, problems].

    All sets draw the same problems; each draws its seeds from its own random stream.
    """
    seeds = np.random.default_rng(1 + stream).integers(0, len(scores), (RESAMPLES, len(scores)))
    by_seed = _problem_draws(scores.shape[1]) @ scores.T / scores.shape[1]
    return np.take_along_axis(by_seed, seeds, axis=1).mean(axis=1)


@lru_cache(maxsize=1)
def _problem_draws(problems: int) -> NDArray[np.float64]:
    """How often each problem is in each resample, shape [RESAMPLES, problems]."""
    drawn = np.random.default_rng(0).integers(0, problems, (RESAMPLES, problems))
    return np.stack([np.bincount(one, minlength=problems) for one in drawn]).astype(np.float64)


def read_cell(one: Checkpoint, arm: str) -> tuple[Scores, float]:
    """Scores in order of problem id, shape [problems], and the mean number of thinking tokens.

    Raises:
        TrainingError: There is not exactly one cell, or a problem was not graded.
    """
    paths = sorted((one.results / "cells").glob(f"*~{arm}~*~r0.jsonl*"))
    if len(paths) != 1:
        raise TrainingError(f"{one.results}: {len(paths)} cells of {arm}, expected one")
    rows = sorted(_rows(paths[0]), key=lambda row: str(row["problem_id"]))
    for row in rows:
        if row["score"] is None:
            raise TrainingError(f"{paths[0]}: problem {row['problem_id']} was not graded: {row['error']}")
    scores = np.array([row["score"] for row in rows], dtype=np.float64)
    return scores, float(np.mean([row["thinking_tokens"] for row in rows]))


def _rows(path: Path) -> list[dict[str, Any]]:
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    # Of bytes: a text may hold line breaks of Unicode, at which str.splitlines would tear a line.
    return [json.loads(line) for line in data.splitlines()]


def table(lines: Sequence[Line], sets: dict[str, Any]) -> str:
    """The table in Markdown: one row per set, one column per arm."""
    head = ("set", "samples", "mean tokens", "traces right", *dict.fromkeys(_arm(one.arm) for one in lines))
    rows = [head, ("---", *("---:" for _ in head[1:]))]
    for name, about in sets.items():
        own = [one for one in lines if one.set_name == name]
        if own:
            right = "" if about["correct"] is None else f"{about['correct']:.0%}"
            rows.append(
                (name, f"{about['samples']:,}", f"{about['mean_tokens']:.0f}", right, *map(_formatted, own))
            )
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _arm(arm: str) -> str:
    count = arm.removeprefix("waits=")
    return "natural stop" if arm == "none" else f"{count} Wait{'s' if count != '1' else ''}"


def _formatted(one: Line) -> str:
    """Accuracy with its interval, and the difference to the first set with its interval."""
    text = f"{one.accuracy:.1f} ({one.low:.1f} to {one.high:.1f})"
    if one.difference is None:
        return text
    gap, low, high = one.difference
    return f"{text}; {gap:+.1f} ({low:+.1f} to {high:+.1f})"


STYLES = (("o", "-"), ("s", "--"), ("^", ":"), ("D", "-."), ("v", (0, (1, 1))), ("P", (0, (5, 1))))


def _draw(lines: Sequence[Line], path: Path) -> None:
    """Accuracy against thinking tokens, one line per set; bars are the table's intervals."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    figure = Figure(figsize=(8, 5.2), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for number, name in enumerate(dict.fromkeys(one.set_name for one in lines)):
        own = [one for one in lines if one.set_name == name]
        marker, style = STYLES[number % len(STYLES)]
        heights = [one.accuracy for one in own]
        bars = ([one.accuracy - one.low for one in own], [one.high - one.accuracy for one in own])
        places = [one.mean_thinking_tokens for one in own]
        axes.errorbar(places, heights, bars, marker=marker, linestyle=style, capsize=3, label=name)
    axes.set_xscale("log", base=2)
    max_tokens = max(one.mean_thinking_tokens for one in lines)
    axes.xaxis.set_major_locator(
        FixedLocator([2 ** (half / 2) for half in range(40) if 2 ** (half / 2) < 2 * max_tokens])
    )
    axes.xaxis.set_major_formatter(FuncFormatter(lambda tokens, _: f"{tokens:,.0f}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("mean thinking tokens: natural stop, then with Waits")
    axes.set_ylabel("accuracy, % (bars: 95% intervals)")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path)
