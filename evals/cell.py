"""A cell of the grid: one task, model, arm, sampling and repeat.

Defines the name of its file, and which settings make two cells the same.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evals.methods import Arm
from evals.tasks.task import Task
from server.reasoning.records import Problem


@dataclass(frozen=True, slots=True)
class Sampling:
    """Sampling parameters. `seed` is the sweep's; each request derives its own seed from it."""

    temperature: float
    top_p: float
    seed: int
    max_completion_tokens: int | None

    def __str__(self) -> str:
        return f"t{self.temperature:g}-p{self.top_p:g}-s{self.seed}"


@dataclass(frozen=True, slots=True)
class Cell:
    """`suffix` is text the user appends to every question."""

    task: Task
    model: str
    arm: Arm
    sampling: Sampling
    repeat: int
    suffix: str = ""

    @property
    def name(self) -> str:
        """The cell's name and file name.

        Characters that file systems refuse become "_"; a digest then keeps different models apart.
        """
        parts = (self.task.name, self.model, self.arm.name, str(self.sampling), f"r{self.repeat}")
        safe = ["".join(c if c.isalnum() or c in "=+.,-" else "_" for c in part) for part in parts]
        marked = "" if safe == list(parts) else f"~{_digest('|'.join(parts))[:6]}"
        return "~".join(safe) + marked

    def prompt(self, problem: Problem) -> str:
        """The task's prompt, the method's words and the suffix, separated by blank lines as in s1's eval."""
        return "\n\n".join(filter(None, (self.task.prompt(problem), self.arm.words, self.suffix)))

    def seed(self, problem: Problem, attempt: int) -> int:
        """The seed of a request; equal in all arms, so that two arms differ only in the budget."""
        text = f"{self.sampling.seed}:{self.repeat}:{attempt}:{problem.id}"
        return int(_digest(text)[:8], 16) & 0x7FFFFFFF

    def identity(self, problems: Sequence[Problem]) -> dict[str, Any]:
        """The settings that must be equal for stored rows of this name to belong to this cell."""
        prompts = "\n".join(f"{p.id}\t{p.answer}\t{self.prompt(p)}" for p in problems)
        return {
            "task": self.task.name,
            "model": self.model,
            "arm": self.arm.name,
            "method": self.arm.method,
            "thinking_budget": self.arm.budget.as_json(),
            "words": self.arm.words,
            "suffix": self.suffix,
            "accept_up_to": self.arm.accept_up_to,
            "tries": self.arm.tries,
            **({"scoring": self.task.scoring} if self.task.scoring else {}),
            **({} if self.arm.scaling is None else {"scaling": dict(self.arm.scaling)}),
            "temperature": self.sampling.temperature,
            "top_p": self.sampling.top_p,
            "seed": self.sampling.seed,
            "max_completion_tokens": self.sampling.max_completion_tokens,
            "repeat": self.repeat,
            "problems": len(problems),
            "problems_sha256": _digest(prompts),
        }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
