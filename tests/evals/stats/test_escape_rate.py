"""Thinking that goes on after a forced close is counted, by words and by length, and nothing else is."""

import pytest

from evals.stats.escape import Ending, escape_rate, longest_answer
from evals.thinks_on import thinks_on

NATURAL = [Ending("natural", False, 10)] * 100


def test_the_share_is_of_the_forced_closes_alone() -> None:
    endings = [
        Ending("max_tokens", True, 5),
        Ending("max_tokens", False, 5),
        Ending("context", False, 5),
        Ending("max_tokens", False, 21),
        Ending("natural", True, 500),
    ]
    assert escape_rate(endings, longest_answer(NATURAL)) == 0.5


def test_without_a_forced_close_there_is_no_rate() -> None:
    assert escape_rate(NATURAL, 20.0) is None


def test_an_answer_is_too_long_from_twice_the_longest_after_a_natural_end() -> None:
    assert longest_answer(NATURAL) == 20.0
    assert escape_rate([Ending("max_tokens", False, 20)], 20.0) == 0.0
    assert escape_rate([Ending("max_tokens", False, 21)], 20.0) == 1.0


def test_forced_answers_do_not_set_the_measure_of_length() -> None:
    assert longest_answer([Ending("max_tokens", False, 10)]) is None
    assert escape_rate([Ending("max_tokens", False, 1000)], None) == 0.0


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
