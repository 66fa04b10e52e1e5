"""Votes: equal answers stand together. The server's votes and those of evals are this code."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from server.reasoning.equality import Equality


@dataclass(slots=True)
class Ballots:
    """An answer, every spelling of it, and the indexes of those who gave it."""

    answer: str
    spellings: list[str] = field(default_factory=list)
    voters: list[int] = field(default_factory=list)


async def group(said: Sequence[str | None], equality: Equality) -> list[Ballots]:
    """The groups in order of first sight; None has no vote.

    An answer joins a group if it is the same as every spelling there: "5 km" and "5 m" both equal "5", and
    are never one ballot.
    """
    groups: list[Ballots] = []
    for index, answer in enumerate(said):
        if answer is None:
            continue
        found = await _find(answer, groups, equality)
        if found is None:
            groups.append(found := Ballots(answer))
        if answer not in found.spellings:
            found.spellings.append(answer)
        found.voters.append(index)
    return groups


async def _find(said: str, groups: Sequence[Ballots], equality: Equality) -> Ballots | None:
    for one in groups:
        if said in one.spellings:
            return one
    for one in groups:
        if await _joins(said, one, equality):
            return one
    return None


async def _joins(said: str, ballots: Ballots, equality: Equality) -> bool:
    for spelling in ballots.spellings:
        if not await equality.same(spelling, said):
            return False
    return True
