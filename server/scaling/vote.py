"""Voting: samples with equal answers are grouped; the largest group wins."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from server.scaling.equality import Equality, ballot
from server.scaling.samples import Sample


@dataclass(slots=True)
class Choice:
    """An answer and the samples that gave it, in order."""

    answer: str
    samples: list[Sample] = field(default_factory=list)
    weight: float = 0.0


async def count(
    samples: Sequence[Sample], equality: Equality, weight: Callable[[Sample], float] = lambda _: 1.0
) -> list[Choice]:
    """The choices in the order in which they were first given. A sample without an answer has no vote."""
    choices: list[Choice] = []
    for sample in samples:
        voted = ballot(sample.answer)
        if voted is None:
            continue
        choice = await _find(voted, choices, equality)
        if choice is None:
            choices.append(choice := Choice(voted))
        choice.samples.append(sample)
        choice.weight += weight(sample)
    return choices


async def _find(voted: str, choices: Sequence[Choice], equality: Equality) -> Choice | None:
    for choice in choices:
        if await equality.same(choice.answer, voted):
            return choice
    return None


def plurality(choices: Sequence[Choice]) -> Choice:
    """The choice with the maximum weight; ties go to the one first given.

    This is the rule of s1 (the mode of a Counter) and of lm-eval's maj@k.
    """
    return max(choices, key=lambda choice: choice.weight)  # max returns the first of equal items


def votes_report(choices: Sequence[Choice]) -> list[dict[str, Any]]:
    """The choices for the response's `scaling` object, by decreasing weight."""
    return [
        {
            "answer": choice.answer,
            "votes": int(choice.weight) if choice.weight.is_integer() else round(choice.weight, 6),
            "samples": [sample.index for sample in choice.samples],
        }
        for choice in sorted(choices, key=lambda choice: -choice.weight)
    ]
