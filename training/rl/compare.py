"""`python -m training.rl.compare RUN CONTROL`: what a run gained over another on the same problems.

Both must have had the same problems in the same steps: the same recipe and seed, another learning rate. The
interval is a bootstrap over problems, paired.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.errors import TrainingError
from training.rl.record import REWARDS

RESAMPLES = 10_000
MEASURES = ("right", "distance", "thinking_tokens")


@dataclass(frozen=True, slots=True)
class Gain:
    """The means of the run and of its control, and their difference with its 95% interval."""

    measure: str
    problems: int
    run: float
    control: float
    low: float
    high: float

    def __str__(self) -> str:
        gained = f"{self.run - self.control:+.3f} ({self.low:+.3f} to {self.high:+.3f})"
        return f"{self.measure}: {self.run:.3f}, control {self.control:.3f}: {gained}"


def gains(run: Path, control: Path, after: int) -> list[Gain]:
    """The gains on the problems of the steps after `after`; of folders with a run's rewards.jsonl.

    Raises:
        TrainingError: The two had other problems, or there is none.
    """
    one, other = rows_of(run, after), rows_of(control, after)
    keys = [[(row["step"], row.get("problem"), row["told"]) for row in rows] for rows in (one, other)]
    if keys[0] != keys[1]:
        raise TrainingError(f"{run} and {control} had other problems, or have not done the same steps")
    if not one:
        raise TrainingError(f"{run}: no step after {after}")
    found = []
    for measure in MEASURES:
        mine = np.array([np.mean(row[measure]) for row in one])
        others = np.array([np.mean(row[measure]) for row in other])
        low, high = interval(mine - others)
        found.append(Gain(measure, len(one), float(mine.mean()), float(others.mean()), low, high))
    return found


def interval(differences: NDArray[np.float64]) -> tuple[float, float]:
    """The 95% interval of the mean of differences, shape [problems]; they are drawn with a fixed seed."""
    drawn = np.random.default_rng(0).choice(differences, (RESAMPLES, len(differences)))
    low, high = np.percentile(drawn.mean(1), [2.5, 97.5])
    return float(low), float(high)


def rows_of(folder: Path, after: int) -> list[dict[str, Any]]:
    """The rewards by problem, of the steps after `after`.

    Raises:
        TrainingError: There are none.
    """
    try:
        lines = (folder / REWARDS).read_text().splitlines()
    except OSError as error:
        raise TrainingError(f"{folder}: no {REWARDS}") from error
    return [row for row in map(json.loads, lines) if row["step"] > after]


def main(arguments: list[str] | None = None) -> int:
    """Print the gains."""
    parser = argparse.ArgumentParser(prog="python -m training.rl.compare", description=__doc__)
    parser.add_argument("run", type=Path, help="folder with a run's rewards.jsonl")
    parser.add_argument("control", type=Path, help="the same of a run with learning rate 0")
    parser.add_argument("--after", type=int, default=0, help="only steps after this one (default: 0, all)")
    given = parser.parse_args(arguments)
    try:
        found = gains(given.run, given.control, given.after)
    except TrainingError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{found[0].problems} problems of the steps after {given.after}", *found, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
