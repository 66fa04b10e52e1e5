"""The loop rule: at its limits to the token, against the obvious way, in bounded memory."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from server.budget.loops import LoopRule, LoopWatch
from server.reasoning.nano.problems import problems, trace
from tests.server.budget.obvious import loops

RULE = LoopRule()


def first_alarm(tokens: list[int], rule: LoopRule = RULE) -> int | None:
    """How many tokens stood, a multiple of the stride, when they were called a loop."""
    telemetry = LoopWatch(rule)
    for start in range(0, len(tokens) - rule.stride + 1, rule.stride):
        telemetry.take(tokens[start : start + rule.stride])
        if telemetry.is_looping:
            return start + rule.stride
    return None


EVERY_TOKEN = LoopRule(stride=1)


def test_short_unit_is_a_loop_at_400_tokens() -> None:
    assert first_alarm([1, 2] * 300, EVERY_TOKEN) == 400
    assert first_alarm([9, 9, *[1, 2] * 300], EVERY_TOKEN) == 402


def test_longer_unit_is_a_loop_when_it_stands_for_the_fourth_time() -> None:
    unit = list(range(150))
    assert first_alarm(unit * 6, EVERY_TOKEN) == 600
    assert first_alarm(unit * 3 + [9] + unit * 3, EVERY_TOKEN) is None


def test_very_long_unit_is_a_loop_when_2048_tokens_are_a_copy() -> None:
    unit = list(range(5000))
    assert first_alarm(unit * 2, EVERY_TOKEN) == 7048


def test_what_stood_longer_than_8192_tokens_ago_is_forgotten() -> None:
    assert first_alarm(list(range(8192)) * 2, LoopRule(stride=64)) == 8192 + 2048
    assert first_alarm(list(range(8193)) * 2, LoopRule(stride=64)) is None


def test_text_that_counts_on_is_no_loop() -> None:
    assert first_alarm([token for n in range(400) for token in (1, 2, 3, 1000 + n)]) is None


def test_repeats_with_something_new_between_them_are_no_loop() -> None:
    unit = list(range(100))
    assert first_alarm([token for n in range(30) for token in (*unit, 1000 + n)]) is None


def test_watch_keeps_no_more_than_period_and_copy() -> None:
    telemetry = LoopWatch(RULE)
    for start in range(0, 200_000, RULE.stride):
        telemetry.take(range(start, start + RULE.stride))
        assert not telemetry.is_looping
        assert len(telemetry._text) <= RULE.longest_period + RULE.longest_copy


def test_token_on_its_way_is_taken_for_any() -> None:
    telemetry = LoopWatch(RULE)
    telemetry.take([5, -1])
    assert not telemetry.is_looping


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.integers(0, 3), max_size=6),
    st.lists(st.integers(0, 2), min_size=1, max_size=5),
    st.integers(1, 12),
    st.builds(
        LoopRule,
        stride=st.just(1),
        fewest_copies=st.integers(2, 4),
        fewest_tokens=st.integers(1, 12),
        longest_copy=st.integers(2, 12),
        longest_period=st.integers(2, 12),
        tail=st.integers(1, 4),
    ),
)
def test_search_for_the_period_finds_what_trying_every_one_does(
    before: list[int], unit: list[int], times: int, rule: LoopRule
) -> None:
    tokens = before + unit * times
    telemetry = LoopWatch(rule)
    for at, token in enumerate(tokens, start=1):
        telemetry.take([token])
        assert telemetry.is_looping == loops(rule, tokens[:at])


def test_searching_candidate_by_candidate_is_no_loop() -> None:
    """The traces of s1-nano's teacher one behind the other, a character a token: much alike line by line."""
    texts = [trace(problem, Random(at)).thinking for at, problem in enumerate(problems("dev", 300, seed=3))]
    searching = [ord(char) for char in "".join(texts)]
    assert len(searching) > 20_000
    assert first_alarm(searching) is None
