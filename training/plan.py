"""The resources of a run, computed before it starts: parameters, tokens, steps, memory per device, disk.

The memory is an estimate, the sum of the parts in `Memory`; a run that exceeds it is refused.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from math import ceil
from pathlib import Path

from training.base import Base
from training.data import Data
from training.errors import TrainingError
from training.machine import GIB, Machine
from training.recipes import TrainingRecipe

USABLE = 0.95
KEPT = 2
"""Number of checkpoints kept; one more exists while it is written."""
VOCABULARY_SLICE = 256 * 152_064 * 4
"""Bytes of logits: the loss is computed over chunks of 256 positions, not over the whole row."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes per device."""

    weights: int
    gradients: int
    optimizer: int
    copies: int
    """bf16 copies of the weights: of one module at a time if sharded, else of all."""
    activations: int
    runtime: int

    @property
    def total(self) -> int:
        """The sum of all parts."""
        return sum(getattr(self, one.name) for one in fields(self))


def memory(recipe: TrainingRecipe, base: Base, machine: Machine, longest: int) -> Memory:
    """`longest`: tokens of the longest row. Trained weights are in float32, frozen ones in bf16."""
    shards = machine.devices if machine.shares else 1
    trained = base.adapters(recipe.rank) if recipe.rank else base.parameters
    weight_bytes = base.parameters * 2 + trained * 4 if recipe.rank else trained * 4
    tokens = longest * recipe.micro_batch
    stream = 2 if machine.shares or recipe.rank else 4
    inside = tokens * (8 * base.attention_width + 8 * base.inner + 12 * base.width)
    between = tokens * base.width * stream * base.layers
    return Memory(
        weights=weight_bytes // shards,
        gradients=4 * trained // shards,
        optimizer=8 * trained // shards,
        copies=4 * base.largest_unit if machine.shares else 0 if recipe.rank else 2 * base.parameters,
        activations=(between + inside if recipe.recompute else base.layers * inside) + VOCABULARY_SLICE,
        runtime=GIB // 2 if machine.is_cpu else 3 * GIB // 2,
    )


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """`rows`: number of rows per epoch (samples, or packed rows of them)."""

    recipe: TrainingRecipe
    base: Base
    data: Data
    machine: Machine
    rows: int
    longest_row: int

    @property
    def accumulate(self) -> int:
        """Micro-batches per step on each device."""
        return self.recipe.batch // (self.recipe.micro_batch * self.machine.devices)

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps per epoch."""
        loads = ceil(self.rows / (self.recipe.micro_batch * self.machine.devices))
        return ceil(loads / self.accumulate)

    @property
    def steps(self) -> int:
        """Optimizer steps of the run."""
        return self.recipe.steps or self.recipe.epochs * self.steps_per_epoch

    @property
    def trained(self) -> int:
        """Number of trained parameters."""
        return self.base.adapters(self.recipe.rank) if self.recipe.rank else self.base.parameters

    @property
    def memory(self) -> Memory:
        """The estimated memory per device."""
        return memory(self.recipe, self.base, self.machine, self.longest_row)

    @property
    def disk(self) -> int:
        """Bytes of the checkpoints and of the resulting model."""
        out = 4 * self.trained if self.recipe.rank else 2 * self.base.parameters
        return out + (KEPT + 1) * 12 * self.trained

    def text(self) -> str:
        """The plan in a few lines for the user."""
        recipe, base, data, parts = self.recipe, self.base, self.data, self.memory
        kind = f"LoRA of rank {recipe.rank} on" if recipe.rank else "all weights of"
        row = "row" if recipe.packing else "sample"
        named = ", ".join(f"{f.name} {getattr(parts, f.name) / GIB:.1f}" for f in fields(parts))
        return "\n".join(
            (
                f"recipe    {recipe.name}: {kind} {base.model}, family {recipe.family}",
                f"model     {base.parameters:,} parameters, {self.trained:,} of them trained",
                f"data      {data.path}: {len(data.lessons):,} samples{_over_long(data)}",
                f"tokens    {data.tokens:,} an epoch, {data.learnt:,} under loss, longest {data.longest:,}",
                f"steps     {self.steps:,}: {self.rows:,} {row}s an epoch, {recipe.batch} a step"
                f" ({recipe.micro_batch} x {self.machine.devices} devices x {self.accumulate} accumulated)",
                f"memory    {parts.total / GIB:.1f} of {self.machine.memory / GIB:.1f} GiB a device"
                f" ({self.machine.name}): {named}",
                f"disk      {self.disk / GIB:.1f} GiB",
            )
        )

    def check(self, out: Path | None) -> None:
        """Check context length, memory and disk before the run starts.

        Raises:
            TrainingError: One of them does not suffice; the message names what would fit.
        """
        recipe, parts = self.recipe, self.memory
        if recipe.max_tokens > self.base.positions:
            raise TrainingError(
                f"--max-tokens: {recipe.max_tokens:,}, but {self.base.model} has a context of"
                f" {self.base.positions:,}"
            )
        if parts.total > USABLE * self.machine.memory:
            raise TrainingError(
                f"this needs about {parts.total / GIB:.1f} GiB a device, and {self.machine.name} has"
                f" {self.machine.memory / GIB:.1f} (weights, gradients and optimizer"
                f" {(parts.weights + parts.gradients + parts.optimizer) / GIB:.1f}, activations"
                f" {parts.activations / GIB:.1f}). What would fit:"
                f" {'; '.join(self._alternatives()) or 'nothing here'}"
            )
        if out is not None and self.disk > (free := shutil.disk_usage(existing(out)).free):
            raise TrainingError(
                f"--out: this needs {self.disk / GIB:.1f} GiB of disk, and {out} has {free / GIB:.1f}"
            )

    def _alternatives(self) -> Iterator[str]:
        """Single changes, and the smallest number of devices, with which the plan fits."""
        small = replace(self.recipe, recompute=True, micro_batch=1)
        if small != self.recipe and self._fits(small, self.machine):
            yield "--recompute --micro-batch 1"
        if not self.recipe.rank and self._fits(lora := replace(small, rank=16), self.machine):
            yield f"--rank {lora.rank} (LoRA)"
        if not self.machine.is_cpu:
            for devices in (2**n for n in range(1, 11)):
                if devices > self.machine.devices and self._fits(
                    small, replace(self.machine, devices=devices)
                ):
                    yield f"{devices} such devices"
                    return

    def _fits(self, recipe: TrainingRecipe, machine: Machine) -> bool:
        return memory(recipe, self.base, machine, self.longest_row).total <= USABLE * machine.memory


def make_plan(
    recipe: TrainingRecipe, base: Base, data: Data, machine: Machine, rows: int, longest_row: int
) -> TrainingPlan:
    """The plan of a run.

    Raises:
        TrainingError: The batch does not divide over the devices.
    """
    if recipe.batch % (recipe.micro_batch * machine.devices):
        raise TrainingError(
            f"--batch: {recipe.batch} samples a step do not divide over {machine.devices} devices"
            f" with --micro-batch {recipe.micro_batch}"
        )
    return TrainingPlan(recipe, base, data, machine, rows, longest_row)


def _over_long(data: Data) -> str:
    if not data.over_long:
        return ", none too long"
    done = "dropped" if data.handled == "drop" else "cut"
    return f", {len(data.over_long)} too long and {done}"


def existing(path: Path) -> Path:
    """The nearest existing folder."""
    path = path.absolute()
    return next(one for one in (path, *path.parents) if one.exists())
