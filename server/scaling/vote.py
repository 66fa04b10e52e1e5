"""Votes over samples: those whose answers are the same stand together; the largest group wins."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from server.reasoning.equality import Equality, ballots
from server.reasoning.votes import group
from server.scaling.samples import Sample


@dataclass(slots=True)
class VotedAnswer:
    """An answer and the samples that gave it, in order."""

    answer: str
    samples: list[Sample]
    weight: float


async def count(
    samples: Sequence[Sample], equality: Equality, weight: Callable[[Sample], float] = lambda _: 1.0
) -> list[VotedAnswer]:
    """The choices in order of first sight. A sample that answered nothing has no vote."""
    choices = []
    said = ballots([sample.answer for sample in samples])
    for one in await group(said, equality):
        members = [samples[index] for index in one.voters]
        choices.append(VotedAnswer(one.answer, members, sum(map(weight, members), 0.0)))
    return choices


def plurality(choices: Sequence[VotedAnswer]) -> VotedAnswer:
    """The choice with the maximum weight; ties go to the one first given.

    This is the rule of s1 (the mode of a Counter) and of lm-eval's maj@k.
    """
    return max(choices, key=lambda choice: choice.weight)  # max returns the first of equal items


def most_voted(choices: Sequence[VotedAnswer], samples: Sequence[Sample]) -> Sequence[Sample]:
    """The samples of all the answers with the maximum weight; all `samples` where none of them answered."""
    weight = max((choice.weight for choice in choices), default=0.0)
    return [sample for choice in choices if choice.weight == weight for sample in choice.samples] or samples


def votes_report(choices: Sequence[VotedAnswer]) -> list[dict[str, Any]]:
    """The choices for the response's `scaling` object, by decreasing weight."""
    return [
        {
            "answer": choice.answer,
            "votes": int(choice.weight) if choice.weight.is_integer() else round(choice.weight, 6),
            "samples": [sample.index for sample in choice.samples],
        }
        for choice in sorted(choices, key=lambda choice: -choice.weight)
    ]
