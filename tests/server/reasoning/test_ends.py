"""Of every end of thinking it is said whether the server forced it, and whether a cue follows."""

import pytest

from server.reasoning.ends import End

WITH_CUE = {"max_tokens", "context", "requested", "quota", "loop"}
WITHOUT_CUE = {"max_steps", "alpha", "off"}
NOT_FORCED = {"natural", "end_of_sequence", "length", "stop", "error"}


@pytest.mark.parametrize("end", End)
def test_every_end_says_who_ended_it(end: End) -> None:
    assert (end.is_forced, end.has_cue) == (end.value in WITH_CUE | WITHOUT_CUE, end.value in WITH_CUE)


def test_an_end_is_its_word_in_reports_and_over_the_wire() -> None:
    assert {end.value for end in End} == WITH_CUE | WITHOUT_CUE | NOT_FORCED
    assert (End("loop"), f"{End.STEPS}", str(End.LOOP)) == (End.LOOP, "max_steps", "loop")
