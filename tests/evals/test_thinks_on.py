"""Thinking inside an answer is seen in its marks and its words, and in nothing else."""

import pytest

from evals.thinks_on import thinks_on
from server.reasoning.families import FAMILIES
from server.reasoning.family import Family


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)
def test_the_marks_of_every_family_are_seen(family: Family) -> None:
    steps = (family.step_mark.format(steps=12),) if family.step_mark else ()
    ends = () if family.reopens else (family.end,)  # of gpt-oss every message ends by it
    for mark in (family.start, *ends, *steps):
        assert thinks_on(f"It is 4.{mark} Is it?")


@pytest.mark.parametrize(
    "answer",
    [
        "3\nWait, try 5",
        "</think>4",
        "Hmm. So",
        "Final: 3\n\nAlternatively, x",
        "Let me double-check: 4",
        "<think>",
    ],
)
def test_words_of_thinking_are_seen(answer: str) -> None:
    assert thinks_on(answer)


@pytest.mark.parametrize("answer", ["Final Answer: 3", "You must wait 3 hours.", "The waiter", ""])
def test_words_of_an_answer_are_not(answer: str) -> None:
    assert not thinks_on(answer)


def test_the_requests_own_nudge_is_seen() -> None:
    assert thinks_on("4\nBut then", nudge="But then")
    assert not thinks_on("4\nBut then")
