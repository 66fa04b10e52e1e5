"""The settings of `s1-train rl`: a recipe, and one flag per field of it."""

import argparse
from dataclasses import dataclass, fields, replace
from pathlib import Path

from training.errors import TrainingError
from training.machine import Machine, this_machine, world_size
from training.rl.recipes import RL_RECIPES, RlRecipe

ON_MAX = ("answer", "truncate")


@dataclass(frozen=True, slots=True)
class RlSettings:
    """`only_plan`: print the plan and stop; `out` may be None then."""

    recipe: RlRecipe
    machine: Machine
    out: Path | None = None
    only_plan: bool = False
    threads: int = 1


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags to `parser`."""
    names = ", ".join(RL_RECIPES)
    parser.add_argument("--recipe", required=True, choices=RL_RECIPES, metavar="NAME", help=f"one of {names}")
    parser.add_argument("--out", type=Path, help="folder of the model; an interrupted run is resumed")
    parser.add_argument("--plan", action="store_true", help="print what would be done, and stop")
    parser.add_argument("--threads", type=int, default=1, help="the trainer's CPU threads (default: 1)")
    changes = parser.add_argument_group("changes to the recipe")
    for one in fields(RlRecipe):
        if "help" in one.metadata:
            choices = ON_MAX if one.name == "on_max" else None
            flag = f"--{one.name.replace('_', '-')}"
            kind: type = one.type  # type: ignore[assignment]
            changes.add_argument(flag, type=kind, choices=choices, help=one.metadata["help"])


def settings_of(given: argparse.Namespace) -> RlSettings:
    """The settings that were asked for.

    Raises:
        TrainingError: A value is out of range, two contradict each other, or a flag is missing.
    """
    named = {f.name for f in fields(RlRecipe) if "help" in f.metadata}
    changes = {name: value for name, value in vars(given).items() if name in named and value is not None}
    recipe = replace(RL_RECIPES[given.recipe], **changes)
    check(recipe)
    if given.threads < 1:
        raise TrainingError(f"--threads: {given.threads} is below 1")
    if world_size() > 1:
        raise TrainingError("s1-train rl runs in one process: start it without torchrun or srun")
    if given.out is None and not given.plan:
        raise TrainingError("--out: the output folder is required")
    return RlSettings(recipe, this_machine(), given.out, given.plan, given.threads)


def check(recipe: RlRecipe) -> None:
    """Check the recipe's numbers, and that they go together.

    Raises:
        TrainingError: They do not; it names the flag.
    """
    at_least = {"samples": 2, "waits": 0, "seed": 0}
    counts = ("prompts", "micro_batch", "steps", "max_thinking", "answer_tokens", "save_every")
    for name in (*counts, *at_least):
        if (value := getattr(recipe, name)) < (least := at_least.get(name, 1)):
            raise TrainingError(f"--{name.replace('_', '-')}: {value} is below {least}")
    if recipe.learning_rate < 0:
        raise TrainingError(f"--learning-rate: {recipe.learning_rate} is below 0")
    if recipe.clip <= 0:
        raise TrainingError(f"--clip: {recipe.clip} is not above 0")
    if not 0 <= recipe.warm_up < 1:
        raise TrainingError(f"--warm-up: {recipe.warm_up} is not a fraction of the steps (0 to below 1)")
    if recipe.batch % recipe.micro_batch:
        raise TrainingError(
            f"--micro-batch: the {recipe.batch} rollouts of a step ({recipe.prompts} problems x"
            f" {recipe.samples}) do not divide by {recipe.micro_batch}"
        )
    _check_budget(recipe)


def _check_budget(recipe: RlRecipe) -> None:
    if recipe.distance < 0:
        raise TrainingError(f"--distance: {recipe.distance} is below 0")
    if recipe.distance and not recipe.told:
        raise TrainingError(f"--distance: {recipe.name} tells no budget that thinking could be distant from")
    if recipe.told and not recipe.distance:
        raise TrainingError(f"--distance: {recipe.name} tells budgets, and 0 would not reward keeping them")
    if recipe.told and recipe.waits:
        raise TrainingError("--waits: a told budget is kept by the model alone, and Waits lengthen thinking")
    if recipe.told and recipe.max_thinking < max(recipe.told):
        raise TrainingError(
            f"--max-thinking: {recipe.max_thinking} is below the largest told budget, {max(recipe.told)}"
        )
