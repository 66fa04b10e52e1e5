"""Where a step ends: with thinking, behind a stop string, at its most, or at the reserve."""

from dataclasses import replace

import pytest

from server.budget.plan import Opening, Plan
from server.budget.running.step import Step
from server.budget.running.tracker import ThinkingTracker

PLAN = Plan(Opening.OPEN, (1,), (2,), True, (3,), close_at=100, room=100)


def followed(tokens: list[int], plan: Plan = PLAN) -> ThinkingTracker:
    tracker = ThinkingTracker(plan)
    for token in tokens:
        tracker.feed(token)
    return tracker


@pytest.mark.parametrize(
    ("step", "tokens", "text", "is_over"),
    [
        (Step(), [7], "a", False),
        (Step(), [7, 2], "a</think>", True),
        (Step(("\n",)), [7], "a\n", True),
        (Step(("\n", ".")), [7], "a.", True),
        (Step(("\n",)), [7, 7], "a\nb", False),
        (Step(("\n",), min_tokens=3), [7, 7], "a\n", False),
        (Step(("\n",), min_tokens=3), [7, 7, 7], "aa\n", True),
        (Step(("\n",), min_tokens=3), [7, 2], "a</think>", True),
        (Step(max_tokens=2), [7], "a", False),
        (Step(max_tokens=2), [7, 7], "ab", True),
        (Step(reserve=98), [7], "a", False),
        (Step(reserve=98), [7, 7], "ab", True),
    ],
)
def test_where_a_step_ends(step: Step, tokens: list[int], text: str, is_over: bool) -> None:
    assert step.is_over(followed(tokens), text) is is_over


def test_a_start_mark_is_no_thinking_yet() -> None:
    forced = replace(PLAN, opening=Opening.FORCE)
    assert not Step(("\n",), min_tokens=1).is_over(followed([1], forced), "<think>\n")
    assert Step(("\n",), min_tokens=1).is_over(followed([1, 7], forced), "<think>\n\n")
