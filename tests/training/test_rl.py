"""`s1-train rl` without a server: prompts, rewards, masks, the plan, and habits of TRL that it leans on."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from transformers import AutoModelForCausalLM

from server.reasoning.nano.problems import problems, split_of
from tests.training.tiny import tiny_model
from training.__main__ import main, parser
from training.base import describe, load_tokenizer
from training.errors import TrainingError
from training.machine import this_machine
from training.metrics import lines_until
from training.recipes import NANO
from training.rl.compare import gains
from training.rl.compare import main as compare_main
from training.rl.plan import RlPlan
from training.rl.prompts import prompts_of
from training.rl.recipes import BUDGETS, RL_RECIPES, RlRecipe
from training.rl.record import RlRecord
from training.rl.reward import distance, right
from training.rl.rollout import Rollout, own_of, rollouts_of
from training.rl.run import config_of, rows_of
from training.rl.settings import check, settings_of
from training.rl.trainer import (
    RlTrainer,
    questions_of,
    reward_distance,
    reward_right,
    rollout_func,
    served_weights,
)
from training.run import TrainingRun

SMALL = replace(RL_RECIPES["nano-grpo"], prompts=2, samples=4, micro_batch=4, steps=2, max_thinking=12)
TOLD = replace(SMALL, name="nano-grpo-budget", told=BUDGETS[:2], distance=0.5, max_thinking=64)


# -- what is asked and rewarded --------------------------------------------------------------------------


def test_every_step_has_problems_of_its_own_and_none_is_held_out() -> None:
    recipe = replace(SMALL, steps=20, prompts=4)
    asked = list(prompts_of(recipe))
    assert len({one.question for one in asked}) == len(asked) == 80
    by_question = {p.question: p for p in problems("train", 80, recipe.seed)}
    assert all(split_of(by_question[one.question]) == "train" for one in asked)
    assert [one.question for one in prompts_of(replace(recipe, seed=2))] != [one.question for one in asked]


def test_budget_is_drawn_and_told_at_the_end_of_the_question() -> None:
    asked = list(prompts_of(replace(TOLD, steps=30)))
    assert {one.told for one in asked} == set(TOLD.told)
    assert all(one.question.endswith(f" Think for {one.told} tokens.") for one in asked)
    assert not any("Think for" in one.question for one in prompts_of(SMALL))


@pytest.mark.parametrize(
    ("answer", "reward"),
    [("\n\nFinal Answer: 17", 1), ("\n\nFinal Answer: 71", 0), ("\n\nFinal Answer:", 0), ("", 0)],
)
def test_reward_is_for_the_right_final_answer(answer: str, reward: float) -> None:
    assert right(answer, "17") == reward


@given(st.integers(0, 3000), st.sampled_from(BUDGETS))
def test_reward_falls_with_the_distance_on_both_sides_and_not_below_its_whole(
    thought: int, told: int
) -> None:
    far = distance(thought, told)
    assert 0 <= far <= 1 and (far == 0) == (thought == told)
    nearer = thought + (1 if thought < told else -1)
    assert distance(nearer, told) <= far
    assert distance(thought, 0) == 0  # no budget was told


# -- what is learnt from ---------------------------------------------------------------------------------


def choice(ids: Sequence[int], spans: Sequence[Mapping[str, Any]] = (), **more: Any) -> dict[str, Any]:
    """As the server writes it."""
    report = {"tokens": 3, "end": "max_tokens", "forced_token_spans": list(spans)}
    return {
        "token_ids": list(ids),
        "thinking": report,
        "logprobs": {"content": [{"logprob": -0.5} for _ in ids]},
        "message": {"content": "\n\nFinal Answer: 5"},
        "finish_reason": "stop",
        **more,
    }


def test_forced_tokens_are_masked_and_all_others_are_not() -> None:
    spans = [{"kind": "nudge", "start": 1, "end": 2}, {"kind": "end", "start": 3, "end": 6}]
    (one,) = rollouts_of({"prompt_token_ids": [9], "choices": [choice(range(8), spans)]})
    assert one.own == [1, 0, 1, 0, 0, 0, 1, 1] and one.forced == 4
    assert own_of(3, []) == [1, 1, 1]


@pytest.mark.parametrize("left_out", ["token_ids", "logprobs", "thinking"])
def test_reply_without_a_part_of_a_rollout_is_refused_by_its_name(left_out: str) -> None:
    cut = {name: value for name, value in choice([1, 2]).items() if name != left_out}
    with pytest.raises(TrainingError, match=left_out):
        rollouts_of({"prompt_token_ids": [9], "choices": [cut]})


def test_reply_with_other_logprobs_than_tokens_is_refused() -> None:
    wrong = choice([1, 2], logprobs={"content": [{"logprob": -1.0}]})
    with pytest.raises(TrainingError, match="2 token_ids and 1 logprobs"):
        rollouts_of({"prompt_token_ids": [9], "choices": [wrong]})


# -- TRL -------------------------------------------------------------------------------------------------


class Told:
    """In the server's place, where only TRL is looked at: rollouts of set tokens, with what it was told."""

    def __init__(self, own: Sequence[int], rights: Sequence[bool], logprob: float = -1.0) -> None:
        self.own, self.rights, self.logprob = own, rights, logprob
        self.asked: list[tuple[int, list[str]]] = []
        self.weights: list[Mapping[str, Tensor]] = []

    def exchange(self, weights: Mapping[str, Tensor]) -> float:
        self.weights.append({name: weight.clone() for name, weight in weights.items()})
        return 0.0

    def rollouts(self, questions: Sequence[str], step: int) -> list[list[Rollout]]:
        self.asked.append((step, list(questions)))
        answers = {p.question: p.answer for p in prompts_of(SMALL)}
        ids = [40 + at for at in range(len(self.own))]
        return [
            [
                Rollout(
                    [5, 6],
                    ids,
                    [self.logprob] * len(ids),
                    self.own,
                    3,
                    f"Final Answer: {answers[q] if ok else 'none'}",
                    "natural",
                    False,
                )
                for ok in self.rights
            ]
            for q in questions
        ]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """TRL warns of rollout_func, which the command has it not do."""
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")


def trained(tiny: Path, out: Path, server: Told, recipe: RlRecipe = SMALL) -> RlTrainer:
    """After all steps of the recipe, of TRL's real trainer."""
    (out / "run").mkdir(parents=True)
    prompts = list(prompts_of(recipe))
    record = RlRecord(out / "run", prompts, recipe.prompts, recipe.steps, 0, False)
    plan = RlPlan(recipe, describe(str(tiny)), this_machine())
    trainer = RlTrainer(
        model=AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32),
        args=config_of(plan, TrainingRun(out, "rl")),
        reward_funcs=[reward_right],
        train_dataset=rows_of(prompts),
        processing_class=load_tokenizer(str(tiny)),
        rollout_func=rollout_func(server, recipe.samples, record.see),
        record=record,
    )
    trainer.train()
    record.close()
    return trainer


HALF = (True, False, True, False)


def test_each_step_asks_for_each_of_its_problems_once_with_the_weights_of_that_step(
    tiny: Path, tmp_path: Path
) -> None:
    server = Told([1, 1, 1], HALF)
    trainer = trained(tiny, tmp_path, server, replace(SMALL, warm_up=0.0))
    questions = [one.question for one in prompts_of(SMALL)]
    assert server.asked == [(0, questions[:2]), (1, questions[2:])]
    first, second = server.weights
    kept = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.bfloat16)
    assert first.keys() == served_weights(kept).keys() and "lm_head.weight" not in first  # it is tied
    assert all(torch.equal(first[name], weight) for name, weight in served_weights(kept).items())
    assert any(not torch.equal(first[name], second[name]) for name in first)
    assert trainer.state.global_step == 2


def moved(tiny: Path, out: Path, server: Told, **more: Any) -> float:
    """How far the weights are from the base after the run."""
    trainer = trained(tiny, out, server, replace(SMALL, warm_up=0.0, **more))
    before = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32).state_dict()
    after = trainer.accelerator.unwrap_model(trainer.model).state_dict()
    return sum((after[name] - before[name]).abs().sum().item() for name in before)


def test_forced_tokens_teach_nothing(tiny: Path, tmp_path: Path) -> None:
    assert moved(tiny, tmp_path / "own", Told([0, 0, 1], HALF)) > 0
    assert moved(tiny, tmp_path / "forced", Told([0, 0, 0], HALF)) == 0


def test_nothing_is_learnt_at_learning_rate_0_nor_where_all_rewards_are_equal(
    tiny: Path, tmp_path: Path
) -> None:
    assert moved(tiny, tmp_path / "zero", Told([1, 1, 1], HALF), learning_rate=0.0) == 0
    assert moved(tiny, tmp_path / "equal", Told([1, 1, 1], (True,) * 4)) == 0


def test_trl_takes_no_notice_of_the_logprobs_of_a_rollout_func(tiny: Path, tmp_path: Path) -> None:
    """As training/README.md says: it would correct for a server that is out of step only by itself."""
    far = [moved(tiny, tmp_path / str(-at), Told([1, 1, 1], HALF, logprob=at)) for at in (-1.0, -9.0)]
    assert far[0] == far[1] > 0


def test_prompts_that_trl_does_not_repeat_as_expected_end_the_run() -> None:
    prompts = [[{"role": "user", "content": each}] for each in "aabb"]
    assert questions_of(prompts, 2) == ["a", "b"]
    for wrong in (prompts[:3], prompts[::2]):
        with pytest.raises(TrainingError, match="TRL asks for"):
            questions_of(wrong, 2)


def test_rewards_of_a_told_budget_are_a_right_answer_less_the_distance() -> None:
    assert reward_right(reply=["Final Answer: 5", "no"], answer=["5", "5"]) == [1, 0]
    assert reward_distance(thinking_tokens=[64, 96], told=[64, 64]) == [0, 0.5]


# -- the record ------------------------------------------------------------------------------------------


def test_resumed_record_goes_on_behind_its_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "rewards.jsonl"
    path.write_text('{"step": 1}\n{"step": 1}\n{"step": 2}\n{"step": 3}\n{"st')
    assert lines_until(path, 2) == [{"step": 1}, {"step": 1}, {"step": 2}]
    assert path.read_text() == '{"step": 1}\n{"step": 1}\n{"step": 2}\n'


def test_rewards_of_every_rollout_are_kept(tiny: Path, tmp_path: Path) -> None:
    trained(tiny, tmp_path, Told([1, 0, 1], HALF))
    lines = lines_until(tmp_path / "run" / "rewards.jsonl", 9)
    assert [one["step"] for one in lines] == [1, 1, 2, 2]
    assert all(one["right"] == [1, 0, 1, 0] and one["told"] is None for one in lines)
    metrics = lines_until(tmp_path / "run" / "metrics.jsonl", 9)
    assert [one["right"] for one in metrics] == [0.5, 0.5]
    assert [one["forced"] for one in metrics] == pytest.approx([1 / 3, 1 / 3])
    assert [one["tokens"] for one in metrics] == [24, 48]


# -- the command -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--samples", "1"], "--samples"),
        (["--micro-batch", "24"], "--micro-batch"),
        (["--steps", "0"], "--steps"),
        (["--learning-rate", "-1"], "--learning-rate"),
        (["--distance", "0.5"], "--distance"),
        (["--recipe", "nano-grpo-budget", "--distance", "0"], "--distance"),
        (["--recipe", "nano-grpo-budget", "--waits", "2"], "--waits"),
        (["--recipe", "nano-grpo-budget", "--max-thinking", "100"], "--max-thinking"),
        (["--max-thinking", "4000"], "--max-thinking"),
        (["--threads", "0"], "--threads"),
        (["--model", "/nowhere"], "--model"),
        ([], "--out"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_refused_by_its_flag(
    flags: list[str], named: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = ["--out", str(tmp_path / "out")] if flags else []
    assert main(["rl", "--recipe", "nano-grpo", *flags, *out]) == 1
    assert named in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_several_processes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(TrainingError, match="one process"):
        settings_of(parser().parse_args(["rl", "--recipe", "nano-grpo", "--out", "o"]))


@pytest.mark.parametrize("name", RL_RECIPES)
def test_plan_is_printed_and_nothing_is_done(
    name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    check(RL_RECIPES[name])
    out = tmp_path / "out"
    assert main(["rl", "--recipe", name, "--plan", "--out", str(out)]) == 0
    told = capsys.readouterr().out
    for part in (f"recipe    {name}: GRPO on all weights of {NANO}", "problems  3,200", "rollouts  25,600"):
        assert part in told
    assert ("told budgets of 32 to 256" in told) == (name == "nano-grpo-budget")
    assert not out.exists()


# -- what a run gained -----------------------------------------------------------------------------------


def rewards(folder: Path, rights: Sequence[Sequence[int]], told: int = 64, seed: int = 0) -> Path:
    """A run's rewards: of each problem those of its rollouts, a step for every two problems."""
    folder.mkdir()
    rows = [
        {
            "step": 1 + at // 2,
            "problem": f"{seed}-{at}",
            "told": told,
            "right": each,
            "distance": [0.0],
            "thinking_tokens": [50],
        }
        for at, each in enumerate(rights)
    ]
    (folder / "rewards.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_gain_is_over_the_same_problems_of_the_control(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = rewards(tmp_path / "run", [[0, 0], [0, 0], *[[1, 1], [1, 0]] * 10])
    control = rewards(tmp_path / "control", [[1, 1], [1, 1], *[[1, 0], [0, 0]] * 10])
    right_gain = gains(run, control, 1)[0]
    assert (right_gain.run, right_gain.control, right_gain.problems) == (0.75, 0.25, 20)
    assert right_gain.low == right_gain.high == 0.5  # each problem gained as much
    assert gains(run, control, 0)[0].low < 0.5
    assert compare_main([str(run), str(control), "--after", "1"]) == 0
    assert "right: 0.750, control 0.250: +0.500" in capsys.readouterr().out


def test_runs_on_other_problems_are_not_compared(tmp_path: Path) -> None:
    run = rewards(tmp_path / "run", [[1], [1]])
    others = (
        rewards(tmp_path / "told", [[1], [1]], 32),
        rewards(tmp_path / "shorter", [[1]]),
        rewards(tmp_path / "seed", [[1], [1]], seed=1),
    )
    for other in others:
        with pytest.raises(TrainingError, match="other problems"):
            gains(run, other, 0)
    with pytest.raises(TrainingError, match="no step after 9"):
        gains(run, run, 9)
    with pytest.raises(TrainingError, match="no rewards"):
        gains(run, tmp_path / "nothing", 0)
