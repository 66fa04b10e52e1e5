"""The settings of `s1-train scorer`, and its plan."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from training.errors import TrainingError
from training.recipes import NANO

SAMPLES = 4
"""Traces of a problem: two that stop by themselves, two with one to three Waits."""


@dataclass(frozen=True, slots=True)
class ScorerRecipe:
    """`rows` of `length` tokens per step, filled with whole traces end to end; the rate is AdamW's peak.

    `problems` are drawn from the train split, `held_out` from dev, for the AUC; the test split stays unseen.
    """

    problems: int = 3000
    held_out: int = 300
    steps: int = 400
    rows: int = 16
    length: int = 512
    lr: float = 5e-4
    save_every: int = 100
    fast: bool = True


@dataclass(frozen=True, slots=True)
class NanoScorerSettings:
    """`model` writes the traces, and its weights are what the scorer starts from."""

    out: Path
    work: Path
    recipe: ScorerRecipe
    model: Path = NANO
    seed: int = 1
    threads: int = 2
    only_plan: bool = False

    def __post_init__(self) -> None:
        for flag, value in (
            ("--problems", self.recipe.problems),
            ("--held-out", self.recipe.held_out),
            ("--steps", self.recipe.steps),
            ("--threads", self.threads),
        ):
            if value < 1:
                raise TrainingError(f"{flag}: {value} is below 1")
        for name in ("config.json", "model.safetensors", "tokenizer.json"):
            if not (self.model / name).is_file():
                raise TrainingError(f"--model {self.model}: not an s1-nano: no {name} in it")

    def plan(self) -> str:
        """What will be done, in lines."""
        recipe = self.recipe
        tokens = recipe.steps * recipe.rows * recipe.length
        return "\n".join(
            (
                f"traces:   {SAMPLES * recipe.problems:,} of {recipe.problems:,} train problems, and"
                f" {SAMPLES * recipe.held_out:,} of {recipe.held_out:,} dev problems, by {self.model}",
                f"training: {recipe.steps:,} steps of {recipe.rows} x {recipe.length} tokens"
                f" ({tokens:,} in all), seed {self.seed}",
                f"written:  {self.out} (checkpoint), {self.work} (state, to resume from)",
            )
        )


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags to `parser`."""
    recipe = ScorerRecipe()
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoint")
    parser.add_argument("--work", type=Path, help="folder of traces and state, to resume (default: OUT.work)")
    parser.add_argument("--model", type=Path, default=NANO, help="an s1-nano (default: the embedded one)")
    parser.add_argument(
        "--problems",
        type=int,
        default=recipe.problems,
        help=f"problems of the train split (default: {recipe.problems})",
    )
    parser.add_argument(
        "--held-out",
        type=int,
        default=recipe.held_out,
        help=f"problems of the dev split that the AUC is measured on (default: {recipe.held_out})",
    )
    parser.add_argument(
        "--steps", type=int, default=recipe.steps, help=f"training steps (default: {recipe.steps})"
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="seed of problems, samples and order (default: 1)"
    )
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default: 2)")
    parser.add_argument("--plan", action="store_true", help="print what would be done, and stop")


def settings_of(parsed: argparse.Namespace) -> NanoScorerSettings:
    """The settings that were asked for.

    Raises:
        TrainingError: A number is below 1, or --model is no s1-nano.
    """
    recipe = ScorerRecipe(problems=parsed.problems, held_out=parsed.held_out, steps=parsed.steps)
    work = parsed.work or parsed.out.with_name(parsed.out.name + ".work")
    return NanoScorerSettings(
        parsed.out, work, recipe, parsed.model, parsed.seed, parsed.threads, parsed.plan
    )
