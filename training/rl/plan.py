"""What a run will take, computed before it starts: parameters, rollouts, memory, disk."""

import shutil
from dataclasses import dataclass, fields
from pathlib import Path

from training.base import Base
from training.errors import TrainingError
from training.machine import GIB, Machine
from training.plan import KEPT, USABLE, Memory, existing, memory
from training.recipes import TrainingRecipe
from training.rl.recipes import RlRecipe

SERVER_BYTES = 2 * GIB
"""The rollout server on this machine: its KV cache of 1 GiB, and vLLM."""
PROMPT_TOKENS = 128
"""No prompt of s1-nano's generator is longer."""


@dataclass(frozen=True, slots=True)
class RlPlan:
    """A run on this machine, with the server beside the trainer."""

    recipe: RlRecipe
    base: Base
    machine: Machine

    @property
    def longest(self) -> int:
        """Tokens of the longest rollout, with its prompt."""
        return PROMPT_TOKENS + self.recipe.max_thinking + self.recipe.answer_tokens

    @property
    def memory(self) -> Memory:
        """The trainer's estimated memory."""
        recipe = TrainingRecipe(
            self.recipe.name,
            self.base.model,
            self.recipe.family,
            micro_batch=self.recipe.micro_batch,
            recompute=False,
        )
        return memory(recipe, self.base, self.machine, self.longest)

    @property
    def disk(self) -> int:
        """Bytes of the checkpoints, the weights on their way to the server, and the resulting model."""
        return (KEPT + 1) * 12 * self.base.parameters + 3 * 2 * self.base.parameters

    def text(self) -> str:
        """The plan in a few lines for the user."""
        recipe, parts = self.recipe, self.memory
        named = ", ".join(f"{f.name} {getattr(parts, f.name) / GIB:.1f}" for f in fields(parts))
        tokens = recipe.steps * recipe.batch * (recipe.max_thinking + recipe.answer_tokens)
        told = f", told budgets of {recipe.told[0]} to {recipe.told[-1]}" if recipe.told else ""
        forced = f", {recipe.waits} Waits" if recipe.waits else ""
        return "\n".join(
            (
                f"recipe    {recipe.name}: GRPO on all weights of {self.base.model}, family {recipe.family}",
                f"model     {self.base.parameters:,} parameters",
                f"problems  {recipe.steps * recipe.prompts:,} of the train split, each once{told}",
                f"rollouts  {recipe.steps * recipe.batch:,}, of up to {recipe.max_thinking:,} thinking tokens"
                f"{forced} and {recipe.answer_tokens} of the answer: at most {tokens:,} tokens",
                f"steps     {recipe.steps:,} of {recipe.batch} rollouts ({recipe.prompts} problems x"
                f" {recipe.samples}), {recipe.micro_batch} at once; learning rate {recipe.learning_rate:g}",
                f"memory    {(parts.total + SERVER_BYTES) / GIB:.1f} of {self.machine.memory / GIB:.1f} GiB"
                f" ({self.machine.name}): server {SERVER_BYTES / GIB:.1f}, {named}",
                f"disk      {self.disk / GIB:.1f} GiB",
            )
        )

    def check(self, out: Path | None) -> None:
        """Check context length, memory and disk before the run starts.

        Raises:
            TrainingError: One of them does not suffice.
        """
        if self.longest > self.base.positions:
            raise TrainingError(
                f"--max-thinking: with prompt and answer {self.longest:,} tokens, and {self.base.model} has a"
                f" context of {self.base.positions:,}"
            )
        needed = self.memory.total + SERVER_BYTES
        if needed > USABLE * self.machine.memory:
            raise TrainingError(
                f"--micro-batch: this needs about {needed / GIB:.1f} GiB, and {self.machine.name} has"
                f" {self.machine.memory / GIB:.1f}: lower it"
            )
        if out is not None and self.disk > (free := shutil.disk_usage(existing(out)).free):
            raise TrainingError(
                f"--out: this needs {self.disk / GIB:.1f} GiB of disk, and {out} has {free / GIB:.1f}"
            )
