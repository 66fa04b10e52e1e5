"""The generator of s1-nano's problems: right answers, right arithmetic, and a split that cannot leak."""

import re
from itertools import combinations
from random import Random

import pytest

from server.reasoning.nano.problems import (
    DOMAINS,
    ORDINARY,
    WANDERING,
    NanoProblem,
    candidates_of,
    problem_from,
    problems,
    split_of,
    trace,
)


def by_brute_force(problem: NanoProblem) -> int:
    """The answer, found without the generator's code."""
    facts = problem.facts
    if problem.domain == "factor":
        return next(d for d in range(2, facts[0] + 1) if facts[0] % d == 0)
    if problem.domain == "crt":
        small, a, large, b = facts
        return next(x for x in range(small * large) if x % small == a and x % large == b)
    if problem.domain == "power":
        start, base, modulus, target = facts
        return next(k for k in range(1, modulus + 1) if start * base**k % modulus == target)
    if problem.domain == "linear":
        slope, constant, modulus, target = facts
        return next(x for x in range(1, modulus + 1) if (slope * x + constant) % modulus == target)
    pairs = [pair for pair in combinations(facts[:-1], 2) if sum(pair) == facts[-1]]
    assert len(pairs) == 1
    return min(pairs[0])


@pytest.mark.parametrize("domain", DOMAINS)
def test_the_answer_is_right_by_brute_force(domain: str) -> None:
    for problem in problems("train", 300, 5, (domain,)):
        assert problem.answer == str(by_brute_force(problem)), problem


@pytest.mark.parametrize("domain", DOMAINS)
def test_the_question_says_all_the_facts(domain: str) -> None:
    for problem in problems("train", 100, 6, (domain,)):
        assert [int(n) for n in re.findall(r"\d+", problem.question)] == list(problem.facts)


def value(left: str) -> int:
    if "+" in left:
        return sum(map(int, left.split("+")))
    return int(left)


def modulus_of(problem: NanoProblem, label: str) -> int:
    if problem.domain == "factor":
        return int(label)
    return problem.facts[0] if problem.domain == "crt" else problem.facts[-2]


def test_every_step_of_the_teachers_arithmetic_is_right() -> None:
    checked = 0
    for problem in problems("train", 500, 7):
        for candidate in candidates_of(problem):
            modulus = modulus_of(problem, candidate.label)
            for left, sign, right in re.findall(r"([\d+]+)([>=])(\d+)", candidate.work):
                expected = value(left) if sign == "=" else value(left) % modulus
                assert expected == int(right), (problem, candidate)
                checked += 1
    assert checked > 5000


def test_exactly_the_right_candidates_carry_the_answer() -> None:
    for problem in problems("train", 500, 8):
        right = [c.answer for c in candidates_of(problem) if c.right]
        assert right[0] == problem.answer


def test_no_problem_is_in_two_splits() -> None:
    keys = {split: {p.key for p in problems(split, 2000, 9)} for split in ("train", "dev", "test")}
    assert not keys["train"] & keys["dev"]
    assert not keys["train"] & keys["test"]
    assert not keys["dev"] & keys["test"]


def test_the_same_numbers_in_another_order_are_the_same_problem() -> None:
    one = problem_from("pairs", (13, 27, 38, 45, 52, 61, 90))
    other = problem_from("pairs", (61, 52, 13, 38, 45, 27, 90))
    assert one.question != other.question
    assert one.key == other.key and split_of(one) == split_of(other)


def test_each_split_holds_enough_distinct_problems_of_every_domain() -> None:
    found = list(problems("test", 3000, 10))
    assert len({p.key for p in found}) == 3000
    assert {p.domain for p in found} == set(DOMAINS)


def test_the_same_seed_gives_the_same_problems_and_another_seed_others() -> None:
    first = [p.key for p in problems("dev", 200, 11)]
    assert first == [p.key for p in problems("dev", 200, 11)]
    assert first != [p.key for p in problems("dev", 200, 12)]


def test_the_same_seed_gives_the_same_trace() -> None:
    for problem in problems("train", 50, 13):
        assert trace(problem, Random(1)) == trace(problem, Random(1))


def test_a_trace_ends_with_a_line_break_so_that_a_nudge_starts_a_line() -> None:
    rng = Random(14)
    for problem in problems("train", 200, 14):
        assert trace(problem, rng).thinking.endswith("\n")


def test_a_patient_attentive_teacher_is_always_right() -> None:
    from dataclasses import replace

    perfect = replace(WANDERING, early=0.0, late=0.0, overlook=0.0, misread=0.0, max_waits=99)
    rng = Random(15)
    for problem in problems("train", 300, 15):
        assert trace(problem, rng, perfect).answer == problem.answer


def test_the_ordinary_teacher_gives_up_early_and_is_often_wrong() -> None:
    rng = Random(16)
    right = [trace(p, rng, ORDINARY).answer == p.answer for p in problems("train", 1000, 16)]
    assert 0.3 < sum(right) / len(right) < 0.8


def test_what_is_known_when_cut_never_looks_ahead() -> None:
    """Before the verdict on the right candidate, the best answer is that candidate or an earlier one."""
    rng = Random(17)
    for problem in problems("train", 200, 17):
        told = trace(problem, rng, WANDERING)
        assert told.best_at(0) == told.steps[0].best
        assert told.best_at(len(told.thinking)) == told.answer
        length = 0
        for step in told.steps:
            length += len(step.text)
            assert told.best_at(length) == step.best
