"""The loop rule: at its limits to the token, against the obvious way, in bounded memory."""

import re
from collections.abc import Callable
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.budget.loops import LoopRule, LoopWatch
from server.reasoning.nano.problems import problems, trace
from tests.examples import examples
from tests.server.budget.obvious import loops

RULE = LoopRule()


def first_alarm(tokens: list[int], rule: LoopRule = RULE) -> int | None:
    """How many tokens stood, a multiple of the stride, when they were called a loop."""
    watch = LoopWatch(rule)
    for start in range(0, len(tokens) - rule.stride + 1, rule.stride):
        watch.take(tokens[start : start + rule.stride])
        if watch.is_looping:
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
    watch = LoopWatch(RULE)
    for start in range(0, 200_000, RULE.stride):
        watch.take(range(start, start + RULE.stride))
        assert not watch.is_looping
        assert len(watch._text) <= RULE.longest_period + RULE.longest_copy


def test_watch_that_is_never_asked_keeps_no_more_either() -> None:
    """The tracker asks only at tokens that can begin a close: in most thinking at one, the last."""
    watch = LoopWatch(RULE)
    for token in range(50_000):
        watch.take([token])
    assert len(watch._text) <= RULE.longest_period + RULE.longest_copy
    assert len(watch._new) < 16 * RULE.stride


def test_token_on_its_way_is_taken_for_any() -> None:
    watch = LoopWatch(RULE)
    watch.take([5, -1])
    assert not watch.is_looping


def unit_with_one_token_changed(each_time: Callable[[int], int]) -> list[int]:
    unit = list(range(1000, 1060))
    return [each_time(n) if at == n % 60 else token for n in range(204) for at, token in enumerate(unit)]


def phrases_with_fillers(seed: int, shortest: int, longest: int, fillers: int) -> list[int]:
    draws, tokens = Random(seed), list[int]()
    phrases = [[draws.randrange(50_000) for _ in range(draws.randint(shortest, longest))] for _ in range(8)]
    while len(tokens) < 12_200:
        tokens += draws.choice(phrases)
        tokens += [draws.randrange(50_000) for _ in range(draws.randint(1, fillers))]
    return tokens


@pytest.mark.parametrize("seed", range(3))
def test_unit_with_one_token_changed_each_time_is_a_loop(seed: int) -> None:
    draws = Random(seed)
    changing = [lambda _: draws.randrange(50_000), lambda n: 2000 + n, lambda _: 7][seed]
    alarm = first_alarm(unit_with_one_token_changed(changing))
    assert alarm is not None
    assert alarm < 4500


@pytest.mark.parametrize(("shortest", "longest", "fillers"), [(10, 20, 3), (12, 30, 5), (20, 40, 8)])
@pytest.mark.parametrize("seed", range(3))
def test_the_same_phrases_with_fillers_between_are_a_loop(
    seed: int, shortest: int, longest: int, fillers: int
) -> None:
    assert first_alarm(phrases_with_fillers(seed, shortest, longest, fillers)) is not None


def test_text_without_recurring_phrases_is_no_loop() -> None:
    draws = Random(4)
    words = [draws.randrange(300) for _ in range(20_000)]  # as few words as a child's, in any order
    assert first_alarm(words) is None


def test_an_answered_alarm_is_not_given_again_at_once() -> None:
    """A nudge stands in the place of the loop's next token; the model gets as long as before to leave it."""
    tokens, watch, alarms = phrases_with_fillers(1, 20, 40, 8) * 3, LoopWatch(RULE), []
    for start in range(0, len(tokens) - 63, 64):
        watch.take(tokens[start : start + 64])
        if watch.is_looping:
            alarms.append(start + 64)
            assert watch.is_looping  # asked twice, the same
    assert len(alarms) > 2
    assert min(after - before for before, after in pairwise(alarms)) > RULE.copied_limit


@settings(max_examples=examples(300))
@given(
    st.lists(st.integers(0, 3), max_size=6),
    st.lists(st.integers(0, 2), min_size=1, max_size=5),
    st.integers(1, 12),
    st.builds(
        LoopRule,
        stride=st.integers(1, 4),
        fewest_copies=st.integers(2, 4),
        fewest_tokens=st.integers(1, 12),
        longest_copy=st.integers(4, 12),
        longest_period=st.just(12),
        tail=st.integers(1, 4),
        shortest_phrase=st.integers(1, 4),
        phrase_stride=st.integers(1, 4),
        phrase_window=st.integers(1, 12),
        copied_share=st.sampled_from([0.25, 0.5]),
        copied_limit=st.integers(2, 40),
    ),
)
def test_finds_what_trying_every_period_and_every_phrase_does(
    before: list[int], unit: list[int], times: int, rule: LoopRule
) -> None:
    tokens = before + unit * times
    watch, asked_once = LoopWatch(rule), LoopWatch(rule)
    for at in range(0, len(tokens) - rule.stride + 1, rule.stride):
        watch.take(tokens[at : at + rule.stride])
        assert watch.is_looping == loops(rule, tokens[: at + rule.stride])
    whole = tokens[: len(tokens) - len(tokens) % rule.stride]
    for token in whole:
        asked_once.take([token])
    assert asked_once.is_looping == loops(rule, whole)


def test_searching_candidate_by_candidate_is_no_loop() -> None:
    """The traces of s1-nano's teacher one after the other, much alike line by line; words and digits are
    tokens, as in most vocabularies."""
    texts = [trace(problem, Random(at)).thinking for at, problem in enumerate(problems("dev", 300, seed=3))]
    words = re.findall(r"\d|[^\W\d]+|\W", "".join(texts))
    ids = {word: at for at, word in enumerate(dict.fromkeys(words), start=1)}
    assert len(words) > 20_000
    assert first_alarm([ids[word] for word in words]) is None


def test_trying_number_by_number_in_the_same_words_is_no_loop() -> None:
    lines = (f"Try n = {n} : {n} ^ 2 + 3 * {n} + 1 = {n * n + 3 * n + 1} , no good ." for n in range(1, 900))
    tokens = " ".join(lines).split(" ")
    ids = {word: at for at, word in enumerate(dict.fromkeys(tokens), start=1)}
    assert len(tokens) > 17_000
    assert first_alarm([ids[word] for word in tokens]) is None
