"""Votes: samples whose answers are the same stand together; the largest group wins."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from server.scaling.equality import Equality, ballot
from server.scaling.samples import Sample


@dataclass(slots=True)
class Choice:
    """An answer and those who gave it, in the order in which it was first given."""

    answer: str
    samples: list[Sample] = field(default_factory=list)
    weight: float = 0.0


async def count(
    samples: Sequence[Sample], equality: Equality, weight: Callable[[Sample], float] = lambda _: 1.0
) -> list[Choice]:
    """The choices in order of first sight. A sample that answered nothing has no vote."""
    choices: list[Choice] = []
    for sample in samples:
        said = ballot(sample.answer)
        if said is None:
            continue
        choice = await _find(said, choices, equality)
        if choice is None:
            choices.append(choice := Choice(said))
        choice.samples.append(sample)
        choice.weight += weight(sample)
    return choices


async def _find(said: str, choices: Sequence[Choice], equality: Equality) -> Choice | None:
    for choice in choices:
        if await equality.same(choice.answer, said):
            return choice
    return None


def first_of_most(choices: Sequence[Choice]) -> Choice:
    """The heaviest; of equals the one first given: s1's rule (Counter's mode), and lm-eval's maj@k."""
    return max(choices, key=lambda choice: choice.weight)  # max takes the first of equals


def listed(choices: Sequence[Choice]) -> list[dict[str, Any]]:
    """For the response, the heaviest first."""
    return [
        {
            "answer": choice.answer,
            "votes": int(choice.weight) if choice.weight.is_integer() else round(choice.weight, 6),
            "samples": [sample.index for sample in choice.samples],
        }
        for choice in sorted(choices, key=lambda choice: -choice.weight)
    ]
