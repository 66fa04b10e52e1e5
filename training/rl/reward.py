"""What a rollout is rewarded for: a right answer, less the distance of its thinking to the told budget."""

from server.reasoning.answers import final_answer, settle_same


def right(answer: str, reference: str) -> float:
    """1 where the text of an answer names the reference, else 0."""
    found = final_answer(answer)
    return 1.0 if found is not None and settle_same(reference, found.value) else 0.0


def distance(thinking_tokens: int, told: int) -> float:
    """How far thinking is from the budget, as a share of the budget: 0 at it, 1 at twice as much or nothing.

    0 where no budget was told.
    """
    return min(1.0, abs(thinking_tokens - told) / told) if told else 0.0
