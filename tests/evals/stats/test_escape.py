"""Thinking that goes on after a forced close is counted, and nothing else is."""

import pytest

from evals.stats.escape import Ending, escape_rate, longest_answer
from server.reasoning.ends import End

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


@pytest.mark.parametrize("end", End)
def test_an_end_counts_as_forced_where_the_server_ended_thinking(end: End) -> None:
    forced = {"off", "max_tokens", "context", "requested", "quota", "loop", "max_steps", "alpha"}
    assert escape_rate([Ending(end.value, True, 5)], None) == (1.0 if end.value in forced else None)
    assert (longest_answer([Ending(end.value, False, 5)]) is None) == (end.value in forced)
