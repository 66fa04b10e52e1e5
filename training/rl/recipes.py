"""The recipes of `s1-train rl`: which rollouts are drawn, and what they are rewarded for."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from training.recipes import NANO

BUDGETS = (32, 64, 96, 128, 160, 192, 224, 256)
"""Thinking tokens, of which one is drawn for a prompt and told in it; s1-nano's own thinking lies within."""


def _help(text: str) -> dict[str, Any]:
    return {"help": text}


@dataclass(frozen=True, slots=True)
class RlRecipe:
    """One run. Every field with a help text is a flag of `s1-train rl`.

    Rollouts are drawn at temperature 1, so that the server's logprobs are those of what was drawn.
    """

    name: str
    model: str = field(metadata=_help("base model: a directory with s1-nano's tokenizer"))
    family: str = "think"
    prompts: int = field(default=16, metadata=_help("problems of a step"))
    samples: int = field(default=8, metadata=_help("rollouts of a problem, compared with each other"))
    micro_batch: int = field(default=32, metadata=_help("rollouts of a forward pass"))
    steps: int = field(default=200, metadata=_help("number of steps, each on problems of its own"))
    learning_rate: float = field(
        default=1e-4, metadata=_help("learning rate after the warm-up; 0: the control, which learns nothing")
    )
    warm_up: float = field(default=0.05, metadata=_help("fraction of the steps with a rising learning rate"))
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.95)
    clip: float = field(default=1.0, metadata=_help("maximum norm of the gradient"))
    max_thinking: int = field(
        default=400,
        metadata=_help("maximum number of thinking tokens of a rollout; what follows is --on-max"),
    )
    on_max: str = field(
        default="answer",
        metadata=_help("at the maximum: answer (the end is forced, and masked) or truncate (no answer)"),
    )
    waits: int = field(default=0, metadata=_help("number of Waits that are forced, and masked"))
    answer_tokens: int = field(default=32, metadata=_help("maximum number of tokens of the answer"))
    told: tuple[int, ...] = ()
    """The budgets that are drawn from and told; none: no budget is told."""
    distance: float = field(
        default=0.0,
        metadata=_help("what the whole distance to the told budget costs, where a right answer brings 1"),
    )
    seed: int = field(default=1, metadata=_help("seed of problems, budgets and rollouts"))
    save_every: int = field(default=20, metadata=_help("steps between checkpoints; the last two are kept"))

    @property
    def batch(self) -> int:
        """Rollouts of a step."""
        return self.prompts * self.samples


def nano_grpo() -> RlRecipe:
    """A right answer is rewarded, and nothing else: does thinking become longer by itself?"""
    return RlRecipe("nano-grpo", str(NANO))


def nano_grpo_budget() -> RlRecipe:
    """A budget is drawn for each prompt and told in it; the reward falls with the distance to it.

    The reward is L1's (Aggarwal and Welleck 2025, arXiv 2503.04697), the distance a share of the budget.
    """
    return replace(nano_grpo(), name="nano-grpo-budget", told=BUDGETS, distance=0.5)


_ALL: tuple[Callable[[], RlRecipe], ...] = (nano_grpo, nano_grpo_budget)
RL_RECIPES: dict[str, RlRecipe] = {recipe.name: recipe for recipe in (make() for make in _ALL)}
