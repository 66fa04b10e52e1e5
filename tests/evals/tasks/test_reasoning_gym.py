"""The procedural tasks are those whose seed fixes them and whose verifier can be trusted."""

import json

import pytest

from evals.tasks import TaskError, task_named
from evals.tasks.reasoning_gym import UNSOUND, sound_names
from evals.tasks.task import Load, Score, Task
from server.reasoning.grading.pool import Verdict
from server.reasoning.records import Problem


class NoJudge:
    async def equal(self, gold: str, said: str) -> Verdict:
        raise AssertionError(f"no judge was needed for {gold} and {said}")


async def score(task: Task, problem: Problem, answer: str) -> Score:
    return await task.scorer(problem, answer, NoJudge())


@pytest.mark.parametrize("name", ["chain_sum", "gcd", "leg_counting"])
async def test_its_own_answer_is_right_and_another_is_wrong(name: str) -> None:
    task = task_named(f"reasoning_gym:{name}")
    for problem in task.load(Load(None, 3, 0)):
        assert (await score(task, problem, f"Final Answer: {problem.answer}")).value == 1.0
        assert (await score(task, problem, f"Final Answer: {problem.answer}1")).value == 0.0


async def test_partial_credit_is_not_right() -> None:
    task = task_named("reasoning_gym:number_sorting")
    [problem] = task.load(Load(None, 1, 0))
    assert (await score(task, problem, "Final Answer: ['1']")).value == 0.0


def test_the_seed_fixes_the_problems() -> None:
    task = task_named("reasoning_gym:chain_sum")
    assert task.load(Load(None, 3, 5)) == task_named("reasoning_gym:chain_sum").load(Load(None, 3, 5))
    assert task.load(Load(None, 3, 5)) != task.load(Load(None, 3, 6))


# A right answer, dressed as models write it; of these tasks each verifier minds another part of it.
DRESSED = ("Final Answer: {}", "So.\n\n**Final Answer:**\n{}\n", "Answer:\n```\n{}\n```", "{}\n", "\n\n{}  ")
MINDS = (
    *("ab", "gcd", "dice", "zebra_puzzles", "spell_backward", "base_conversion", "string_insertion"),
    *("complex_arithmetic", "self_reference", "advanced_geometry", "caesar_cipher"),
)
LINES = ("n_queens", "mini_sudoku", "modulo_grid", "manipulate_matrix", "tower_of_hanoi", "survo", "kakurasu")


@pytest.mark.parametrize("name", (*MINDS, *LINES))
async def test_what_stands_around_the_right_answer_costs_nothing(name: str) -> None:
    task = task_named(f"reasoning_gym:{name}")
    for problem in task.load(Load(None, 2, 3)):
        for shape in DRESSED:
            found = await score(task, problem, shape.format(problem.answer))
            assert found.value == 1.0, (shape, problem.answer, found.extracted)


async def test_one_wrong_cell_of_a_hundred_is_wrong() -> None:
    task = task_named("reasoning_gym:game_of_life")
    [problem] = task.load(Load(None, 1, 0))
    grid = json.loads(problem.answer)
    grid[0][0] = 1 - grid[0][0]
    assert len(grid) * len(grid[0]) >= 100
    assert (await score(task, problem, problem.answer)).value == 1.0
    assert (await score(task, problem, json.dumps(grid))).value == 0.0


@pytest.mark.parametrize(
    ("name", "said"), [("puzzle24", "8*3*1*1"), ("coin_flip", "0"), ("game_of_life_halting", "-")]
)
def test_the_refused_verifiers_still_reward_a_constant(name: str, said: str) -> None:
    """If this fails, the library has mended it, and the task may be allowed again."""
    from reasoning_gym import create_dataset

    data = create_dataset(name, seed=0, size=20)
    assert sum(data.score_answer(answer=said, entry=entry) == 1.0 for entry in data) > 10
    assert name in UNSOUND


@pytest.mark.parametrize("name", sorted(UNSOUND))
def test_an_unsound_task_is_refused_with_its_reason(name: str) -> None:
    with pytest.raises(TaskError, match=rf"{UNSOUND[name][:20]}.*\(reasoning-gym 0\.1\.25\)$"):
        task_named(f"reasoning_gym:{name}")
    assert name not in sound_names()


def test_an_unknown_one_is_named() -> None:
    with pytest.raises(TaskError, match="unknown task reasoning_gym:nonsense"):
        task_named("reasoning_gym:nonsense")


async def test_a_verifier_that_raises_is_a_failure_of_grading(monkeypatch: pytest.MonkeyPatch) -> None:
    task = task_named("reasoning_gym:chain_sum")
    [problem] = task.load(Load(None, 1, 0))

    def raises(*_: object, **__: object) -> float:
        raise KeyError("entry")

    monkeypatch.setattr("reasoning_gym.arithmetic.chain_sum.ChainSumDataset.score_answer", raises)
    found = await score(task, problem, "5")
    assert found.value is None
    assert "KeyError" in found.failure
