"""What a run takes is told before it starts, and what cannot fit is refused with what would."""

from array import array
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from training.base import Base
from training.data import Data
from training.errors import TrainingError
from training.lesson import Lesson
from training.machine import GIB, Machine, peak_of
from training.metrics import flops
from training.plan import TrainingPlan, make_plan
from training.recipes import RECIPES, TrainingRecipe

# Qwen2.5's shapes, from their config.json.
QWEN_32B = Base(
    model="Qwen/Qwen2.5-32B-Instruct",
    parameters=32_763_876_352,
    largest_unit=152_064 * 5120,
    layers=64,
    width=5120,
    attention_width=5120,
    inner=27_648,
    positions=32_768,
    linear_sides=64 * (5120 * 4 + 2 * 1024 + 5120 * 2 + 3 * (5120 + 27_648)),
    layer_class="Qwen2DecoderLayer",
)
H100 = Machine("NVIDIA H100 80GB HBM3", 16, int(79.1 * GIB), peak_of("NVIDIA H100 80GB HBM3"))


def data(samples: int = 1000, longest: int = 32_768) -> Data:
    lessons = tuple(
        Lesson(array("i", [0] * (longest if n == 0 else 5000)), array("i"), f"t:{n}") for n in range(samples)
    )
    return Data(Path("train.jsonl"), "0" * 64, lessons, (), "refuse")


def plan(
    recipe: TrainingRecipe = RECIPES["s1-32b"],
    machine: Machine = H100,
    samples: int = 1000,
    base: Base = QWEN_32B,
) -> TrainingPlan:
    return make_plan(recipe, base, data(samples), machine, samples, 32_768)


def test_the_papers_run_fits_its_sixteen_h100_in_315_steps() -> None:
    papers = plan()
    papers.check(None)
    assert (papers.steps, papers.steps_per_epoch, papers.accumulate) == (315, 63, 1)


@pytest.mark.parametrize("devices", [1, 2, 4, 8, 16])
def test_the_steps_do_not_depend_on_the_number_of_devices(devices: int) -> None:
    assert plan(machine=replace(H100, devices=devices)).steps == 315


def test_eight_h100_are_refused_and_sixteen_or_adapters_are_offered() -> None:
    with pytest.raises(TrainingError) as caught:
        plan(machine=replace(H100, devices=8)).check(None)
    assert "this needs about" in str(caught.value) and "NVIDIA H100 80GB HBM3 has 79.1" in str(caught.value)
    assert str(caught.value).endswith("What would fit: --rank 16 (LoRA); 16 such devices")


def test_a_smaller_micro_batch_is_offered_where_it_helps() -> None:
    greedy = replace(RECIPES["s1-32b"], micro_batch=2, batch=32)
    with pytest.raises(TrainingError, match="What would fit: --recompute --micro-batch 1; --rank 16"):
        plan(greedy, replace(H100, memory=70 * GIB)).check(None)


def test_a_context_that_the_base_does_not_have_is_refused() -> None:
    short = replace(QWEN_32B, positions=8192)
    with pytest.raises(TrainingError, match=r"--max-tokens: 32,768, but .* has a context of 8,192"):
        plan(base=short).check(None)


def test_too_little_disk_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage(NamedTuple):
        free: int

    monkeypatch.setattr("training.plan.shutil.disk_usage", lambda _: Usage(10 * GIB))
    with pytest.raises(TrainingError, match=r"--out: this needs 1159\.5 GiB of disk, and .*ckpt has 10\.0"):
        plan().check(tmp_path / "ckpt")
    assert not (tmp_path / "ckpt").exists()


def test_a_batch_that_does_not_divide_over_the_devices_is_refused() -> None:
    with pytest.raises(TrainingError, match="--batch: 16 samples a step do not divide over 3 devices"):
        plan(machine=replace(H100, devices=3))


def test_the_text_names_parameters_tokens_steps_memory_and_disk() -> None:
    text = plan().text()
    for part in (
        "32,763,876,352 parameters",
        "5,027,768 an epoch",
        "315: 1,000 samples an epoch, 16 a step (1 x 16 devices x 1 accumulated)",
        "of 79.1 GiB a device",
        "disk ",
        "none too long",
    ):
        assert part in text


def changes(name: str) -> Callable[[TrainingRecipe], TrainingRecipe]:
    return {
        "adapters": lambda r: replace(r, rank=16),
        "recomputed": lambda r: replace(r, recompute=True),
        "plain": lambda r: replace(r, recompute=False),
    }[name]


@pytest.mark.parametrize(("less", "more"), [("adapters", "recomputed"), ("recomputed", "plain")])
def test_memory_grows_with_what_is_held(less: str, more: str) -> None:
    recipe = RECIPES["s1-32b"]
    assert plan(changes(less)(recipe)).memory.total < plan(changes(more)(recipe)).memory.total


def test_the_flops_of_a_token_are_six_a_parameter_and_four_where_weights_stand_still() -> None:
    assert flops(plan(), 10, 0) == 60.0 * QWEN_32B.parameters
    assert flops(plan(RECIPES["s1-32b-lora"]), 10, 0) == 40.0 * QWEN_32B.parameters
    assert flops(plan(), 0, 100) == 600.0 * 64 * 5120


def test_the_peak_of_a_device_is_known_by_its_name_or_not_at_all() -> None:
    assert peak_of("NVIDIA H100 PCIe") == 756e12 and peak_of("NVIDIA H100 80GB HBM3") == 989e12
    assert peak_of("cpu") is None
