"""The settings of `s1-train sft`: a recipe, and one flag per field of it."""

import argparse
from collections.abc import Sequence
from dataclasses import Field, dataclass, fields, replace
from pathlib import Path
from typing import Any, get_args

from server.reasoning.families import FAMILIES
from training.errors import TrainingError
from training.machine import GIB, Machine, peak_of, this_machine
from training.recipes import RECIPES, TrainingRecipe

CHOICES: dict[str, Sequence[str]] = {"family": tuple(FAMILIES), "over_long": ("refuse", "drop", "cut")}


@dataclass(frozen=True, slots=True)
class SftSettings:
    """`only_plan`: print the plan and stop; `out` may be None then."""

    recipe: TrainingRecipe
    data: Path
    machine: Machine
    out: Path | None = None
    only_plan: bool = False
    strict: bool = False
    """Refuse the run for a bad row of a data set of chats, in place of dropping it."""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags to `parser`."""
    parser.add_argument(
        "--recipe", required=True, choices=RECIPES, metavar="NAME", help=f"one of {', '.join(RECIPES)}"
    )
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        help="curation's train.jsonl, or a data set of chats: .jsonl, .jsonl.gz, .parquet, or a folder",
    )
    parser.add_argument(
        "--strict", action="store_true", help="refuse the run for a bad row of chats, in place of dropping it"
    )
    parser.add_argument("--out", type=Path, help="folder of the model; an interrupted run is resumed")
    parser.add_argument(
        "--plan", action="store_true", help="print the required memory, steps and disk, and stop"
    )
    parser.add_argument("--devices", type=int, help="with --plan: number of devices of another machine")
    parser.add_argument("--device", help="with --plan: name of its devices, such as H100 (default: GPU)")
    parser.add_argument("--device-gib", type=float, help="with --plan: memory of one of its devices, in GiB")
    changes = parser.add_argument_group("changes to the recipe")
    for one in fields(TrainingRecipe):
        if "help" in one.metadata:
            _add_flag(changes, one)


def _add_flag(group: Any, one: Field[Any]) -> None:
    flag = f"--{one.name.replace('_', '-')}"
    kind = _type(one)
    if kind is bool:
        group.add_argument(flag, action=argparse.BooleanOptionalAction, help=one.metadata["help"])
    else:
        choices = CHOICES.get(one.name)
        group.add_argument(flag, type=kind, choices=choices, help=one.metadata["help"])


def _type(one: Field[Any]) -> type:
    if one.name in CHOICES:
        return str
    choices = get_args(one.type)
    return choices[0] if choices else one.type  # type: ignore[return-value]


def settings_of(given: argparse.Namespace) -> SftSettings:
    """The settings that were asked for.

    Raises:
        TrainingError: A value is out of range, or a flag is missing.
    """
    named = {f.name for f in fields(TrainingRecipe) if "help" in f.metadata}
    changes = {name: value for name, value in vars(given).items() if name in named and value is not None}
    recipe = replace(RECIPES[given.recipe], **changes)
    _check(recipe)
    if given.out is None and not given.plan:
        raise TrainingError("--out: the output folder is required")
    return SftSettings(recipe, given.data, _machine(given), given.out, given.plan, given.strict)


def _machine(given: argparse.Namespace) -> Machine:
    described = (given.devices, given.device, given.device_gib)
    if not given.plan and described != (None, None, None):
        raise TrainingError("--devices, --device and --device-gib describe another machine: with --plan only")
    if given.device_gib is None:
        if given.devices or given.device:
            raise TrainingError("--device-gib: the memory of one of those devices is required")
        return this_machine()
    name = given.device or "GPU"
    return Machine(name, given.devices or 1, int(given.device_gib * GIB), peak_of(name))


def _check(recipe: TrainingRecipe) -> None:
    for name in ("max_tokens", "batch", "micro_batch", "epochs", "steps", "save_every"):
        value = getattr(recipe, name)
        if value is not None and value < 1:
            raise TrainingError(f"--{name.replace('_', '-')}: {value} is below 1")
    for name in ("learning_rate", "clip"):
        if getattr(recipe, name) <= 0:
            raise TrainingError(f"--{name.replace('_', '-')}: {getattr(recipe, name)} is not above 0")
    for name in ("weight_decay", "rank", "seed"):
        if getattr(recipe, name) < 0:
            raise TrainingError(f"--{name.replace('_', '-')}: {getattr(recipe, name)} is below 0")
    if not 0 <= recipe.warm_up < 1:
        raise TrainingError(f"--warm-up: {recipe.warm_up} is not a fraction of the steps (0 to below 1)")
    if recipe.packing and recipe.over_long == "cut" and recipe.max_tokens < 2:
        raise TrainingError("--packing: a row holds no sample")
