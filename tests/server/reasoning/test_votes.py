"""Equal answers are one ballot, and an answer joins only those that it equals all of."""

from itertools import permutations

from server.reasoning.equality import Equality
from server.reasoning.grading.pool import GradingPool, Verdict
from server.reasoning.votes import group


class NoJudge:
    async def equal(self, gold: str, said: str, /) -> Verdict:
        raise AssertionError(f"rules settle {gold} and {said}")


async def test_each_spelling_of_a_half_is_one_vote() -> None:
    async with GradingPool(1) as pool:
        found = await group(["3", r"\frac12", "0.5", r"\frac{\sqrt{4}}{4}", None], Equality(pool))
    assert [(one.answer, one.voters) for one in found] == [("3", [0]), (r"\frac12", [1, 2, 3])]


async def test_two_units_are_never_one_ballot_whatever_the_order() -> None:
    for said in permutations(["5", "5 km", "5 m", "5 km"]):
        found = await group(said, Equality(NoJudge()))
        assert all({"5 km", "5 m"} - set(one.spellings) for one in found)
        assert sum(len(one.voters) for one in found) == 4
