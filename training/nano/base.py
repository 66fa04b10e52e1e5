"""The base of s1-nano: pretraining on the generator's conversations, first short rows, then long ones."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import torch
from tokenizers import Tokenizer

from training.nano.loop import RunProgress, Schedule, optimise
from training.nano.model import Nano, Shape
from training.nano.muon import optimizers
from training.nano.texts import Rows, packed, stream


@dataclass(frozen=True, slots=True)
class BaseRecipe:
    """`short` and `long` are (steps, rows, length) of the two phases.

    `cut_share` is the share of thinking that is cut at a random point.
    """

    shape: Shape = field(default_factory=Shape)
    short: tuple[int, int, int] = (1000, 32, 256)
    long: tuple[int, int, int] = (900, 12, 640)
    matrix_lr: float = 0.01
    other_lr: float = 0.003
    cut_share: float = 0.3
    save_every: int = 100
    fast: bool = True


def batches(tokenizer: Tokenizer, recipe: BaseRecipe, seed: int) -> Iterator[Rows]:
    """Yield the batches of both phases, each with tensors of shape [rows, length]."""
    documents = stream(tokenizer, seed, recipe.cut_share)
    for steps, rows, length in (recipe.short, recipe.long):
        yield from islice(packed(documents, rows, length), steps)


def make_base(tokenizer: Tokenizer, recipe: BaseRecipe, seed: int, work: Path) -> tuple[Nano, RunProgress]:
    """Train the base, or continue a killed run. The checkpoint is `work/base.pt`."""
    torch.manual_seed(seed)
    model = Nano(recipe.shape)
    optims = optimizers(model, recipe.matrix_lr, recipe.other_lr)
    plan = Schedule(recipe.short[0] + recipe.long[0], 0.02, 0.35, recipe.save_every)
    run = optimise(model, optims, batches(tokenizer, recipe, seed), plan, work / "base.pt", recipe.fast)
    return model, run
