"""The settings of an ablation: sets, seeds, steps, and the locations of checkpoints and scores."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from training.errors import TrainingError


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One set trained with one seed."""

    set_name: str
    seed: int
    out: Path

    @property
    def name(self) -> str:
        """The checkpoint's name, SET-SEED."""
        return f"{self.set_name}-{self.seed}"

    @property
    def model(self) -> Path:
        """The folder of the model."""
        return self.out / "models" / self.name

    @property
    def results(self) -> Path:
        """The folder of `s1-eval sweep`."""
        return self.out / "results" / self.name

    @property
    def trained(self) -> bool:
        """Whether training has finished."""
        return (self.model / "making.json").exists()

    @property
    def scored(self) -> bool:
        """Whether all cells are done: the report is written last."""
        return (self.results / "report.md").exists()


@dataclass(frozen=True, slots=True)
class Ablation:
    """`sets` maps a name to curation's train.jsonl; the others are compared with the first set."""

    base: Path
    sets: dict[str, Path]
    out: Path
    seeds: tuple[int, ...]
    steps: int
    waits: tuple[int, ...]
    problems: int
    threads: int

    def checkpoints(self) -> Iterator[Checkpoint]:
        """All checkpoints, seed by seed, so that a table of one seed is available early."""
        return (Checkpoint(name, seed, self.out) for seed in self.seeds for name in self.sets)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the ablation's flags to `parser`."""
    parser.add_argument("--base", type=Path, required=True, help="checkpoint of `s1-train nano --stage base`")
    parser.add_argument(
        "--set",
        dest="sets",
        action="append",
        required=True,
        metavar="NAME=TRAIN.JSONL",
        help="a training set; repeat the flag; the others are compared with the first",
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of results; an interrupted ablation is resumed"
    )
    parser.add_argument("--seeds", default="1,2,3", help="seeds of each set's training (default: 1,2,3)")
    parser.add_argument(
        "--steps", type=int, default=315, help="steps of fine-tuning, the same for every set (default: 315)"
    )
    parser.add_argument(
        "--waits", default="1,2,4", help="numbers of Waits to score beside the natural stop (default: 1,2,4)"
    )
    parser.add_argument(
        "--problems", type=int, default=1000, help="number of held-out problems (default: 1000)"
    )
    parser.add_argument("--threads", type=int, default=2)


def ablation_of(given: argparse.Namespace) -> Ablation:
    """The ablation that was asked for.

    Raises:
        TrainingError: A name is repeated, a file is missing, or a value is not a list of numbers.
    """
    sets = dict(_named(one) for one in given.sets)
    if len(sets) < len(given.sets):
        raise TrainingError("--set: a name is given twice")
    for name in ("model.safetensors", "tokenizer.json"):
        if not (given.base / name).is_file():
            raise TrainingError(f"--base {given.base}: not an s1-nano: no {name} in it")
    for name, path in sets.items():
        if not path.is_file():
            raise TrainingError(f"--set {name}: {path}: no such file")
    return Ablation(
        given.base,
        sets,
        given.out,
        _numbers("--seeds", given.seeds),
        given.steps,
        _numbers("--waits", given.waits),
        given.problems,
        given.threads,
    )


def _named(text: str) -> tuple[str, Path]:
    name, _, path = text.partition("=")
    if not path or not name.replace("_", "").isalnum():
        raise TrainingError(f"--set: {text!r} is not of the form NAME=FILE")
    return name, Path(path)


def _numbers(flag: str, text: str) -> tuple[int, ...]:
    try:
        return tuple(dict.fromkeys(int(one) for one in text.split(",")))
    except ValueError as error:
        raise TrainingError(f"{flag}: {text!r} is not a list of numbers") from error
