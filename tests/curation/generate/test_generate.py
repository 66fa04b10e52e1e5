"""Pools made on the spot: seeded, distinct, of the train split only."""

import json
import os
import subprocess
import sys
from random import Random

import pytest

from curation.errors import CurationError
from curation.generate.nano import NanoTeacher, held_out, nano_rows, row_of
from curation.generate.reasoning_gym import gym_rows, sound_tasks
from curation.row import Row
from server.reasoning.gym import UNSOUND_PROBLEMS
from server.reasoning.nano.problems import Split, problem_from, problems, split_of, trace


def rows(count: int, seed: int = 0) -> list[Row]:
    return [one for one in nano_rows(count, seed) if isinstance(one, Row)]


def test_nano_problems_are_distinct_seeded_and_of_the_train_split() -> None:
    made = rows(500)
    assert len({row.problem.id for row in made}) == 500
    assert made == rows(500)
    assert made != rows(500, seed=1)
    for row in made:
        facts = tuple(json.loads(row.metadata)["facts"])
        assert split_of(problem_from(row.problem.domain, facts)) == "train"


def test_a_held_out_nano_problem_in_the_pool_is_dropped() -> None:
    splits: tuple[Split, ...] = ("dev", "test")
    strays = [row_of(one) for split in splits for one in problems(split, 3, 0)]
    assert [fault.reason for row in strays if (fault := held_out(row))] == ["held_out"] * 6
    assert not any(held_out(row) for row in rows(100))


def test_a_nano_trace_does_not_depend_on_the_other_rows() -> None:
    made = rows(20)
    all_at_once = list(NanoTeacher(3)(made))
    one_by_one = [next(iter(NanoTeacher(3)([row]))) for row in reversed(made)]
    assert all_at_once == one_by_one[::-1]
    assert all(isinstance(row, Row) and row.trace and row.trace.answer for row in all_at_once)


def test_a_nano_trace_has_random_numbers_of_its_own() -> None:
    [row] = rows(1)
    [taught] = list(NanoTeacher(3)([row]))
    assert isinstance(taught, Row) and taught.trace
    problem = problem_from(row.problem.domain, tuple(json.loads(row.metadata)["facts"]))
    assert taught.trace.thinking == trace(problem, Random(f"3:{row.problem.id}")).thinking.strip()


def test_reasoning_gym_has_more_than_90_sound_tasks_and_none_of_the_unsound() -> None:
    tasks = sound_tasks()
    assert len(tasks) > 90
    assert not set(tasks) & set(UNSOUND_PROBLEMS)


PROGRAM = """
from curation.generate.reasoning_gym import gym_rows
for one in gym_rows((), 900, 3):
    print(one.problem.question if hasattr(one, "problem") else one.row.problem.id, one)
"""


@pytest.mark.slow
def test_gym_problems_do_not_depend_on_the_hash_seed_of_the_process() -> None:
    texts = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2")
    ]
    assert texts[0] == texts[1] == texts[2]
    assert len(texts[0]) > 100_000


def test_gym_problems_are_seeded_and_spread_over_the_tasks() -> None:
    made = [list(gym_rows(("chain_sum", "gcd"), 11, seed)) for seed in (0, 0, 1)]
    assert made[0] == made[1]
    assert made[0] != made[2]
    domains = [one.problem.domain for one in made[0] if isinstance(one, Row)]
    assert (domains.count("chain_sum"), domains.count("gcd")) == (6, 5)


def test_an_unsound_gym_task_is_refused_with_the_reason() -> None:
    with pytest.raises(CurationError, match="reasoning_gym:codeio: its seed does not fix its problems"):
        list(gym_rows(("codeio",), 5, 0))
    with pytest.raises(CurationError, match=r"gym:puzzle24: .* of many, .*\(reasoning-gym 0\.1\.25\)"):
        list(gym_rows(("puzzle24",), 5, 0))
