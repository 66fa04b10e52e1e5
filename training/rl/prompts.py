"""The prompts of a run: problems of s1-nano's train split, each with the budget that it is told."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from server.reasoning.nano.problems import problems
from training.rl.recipes import RlRecipe


@dataclass(frozen=True, slots=True)
class Prompt:
    """`told`: the budget that the question ends with, in thinking tokens; 0: none."""

    question: str
    answer: str
    told: int


def prompts_of(recipe: RlRecipe) -> Iterator[Prompt]:
    """Those of all steps, `recipe.prompts` for each. Held-out problems are not among them."""
    rng = Random(f"told:{recipe.seed}")
    for problem in problems("train", recipe.steps * recipe.prompts, recipe.seed):
        told = rng.choice(recipe.told) if recipe.told else 0
        yield Prompt(with_budget(problem.question, told) if told else problem.question, problem.answer, told)


def with_budget(question: str, tokens: int) -> str:
    """A question that tells how long to think."""
    return f"{question} Think for {tokens} tokens."
