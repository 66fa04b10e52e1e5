"""Steps of `s1-train sft` on this machine: tokens a second, MFU, and the plan's memory against the peak.

On s1-nano by its recipe, or on a model of Qwen2.5-1.5B's shape with random weights and s1-nano's tokenizer.
Nothing is saved but --out, a JSON file; what is in it already stays.
"""

import argparse
import json
import resource
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from shutil import copy
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import AutoModelForCausalLM, Qwen2Config

from server.reasoning.families import FAMILIES
from server.reasoning.records import Trace, TrainingExample
from training.base import describe, load_tokenizer
from training.data import read_data
from training.lesson import Writer
from training.machine import this_machine
from training.metrics import Record
from training.nano.sft import teacher_samples
from training.plan import TrainingPlan, make_plan
from training.recipes import NANO, RECIPES, TrainingRecipe
from training.run import TrainingRun
from training.sft import config_of, rows_of, trainer_of

WARM_UP = 2
"""Steps that do not count."""
QWEN25_15B = {
    "vocab_size": 151936,
    "hidden_size": 1536,
    "intermediate_size": 8960,
    "num_hidden_layers": 28,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
}
REDUCED = {
    "vocab_size": 2048,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}


@dataclass(frozen=True, slots=True)
class TrainingSize:
    """`traces` of s1-nano's teacher are joined to one sample; so many samples, so many steps."""

    recipe: str
    steps: int
    samples: int
    traces: int
    max_tokens: int


SIZES = {
    "s1-nano": TrainingSize("nano", steps=40, samples=640, traces=1, max_tokens=1024),
    "qwen2.5-1.5b": TrainingSize("qwen2.5-1.5b-s1k", steps=8, samples=128, traces=24, max_tokens=8192),
}


def make_model(folder: Path, is_reduced: bool) -> None:
    """Random weights in bfloat16, made on the device if there is one."""
    shape = {**QWEN25_15B, **(REDUCED if is_reduced else {})}
    config = Qwen2Config(tie_word_embeddings=True, rope_theta=1e6, **shape)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        copy(NANO / name, folder / name)


def samples(count: int, traces: int) -> Iterator[TrainingExample]:
    """Of s1-nano's teacher, `traces` of them thought one after the other."""
    told = teacher_samples(count * traces, 1)
    for at in range(0, len(told), traces):
        some = told[at : at + traces]
        thinking = "\n".join(each.trace.thinking for each in some)
        yield replace(some[-1], trace=Trace(some[-1].problem.id, thinking, some[-1].trace.answer))


def plan_of(recipe: TrainingRecipe, data: Path) -> tuple[TrainingPlan, Any, Any, list[int]]:
    """The plan, the tokenizer, the rows and their lengths."""
    tokenizer = load_tokenizer(recipe.model)
    read = read_data(
        data,
        Writer(tokenizer, FAMILIES[recipe.family], recipe.model),
        recipe.max_tokens,
        recipe.over_long,
    )
    rows, lengths = rows_of(read, recipe)
    plan = make_plan(recipe, describe(recipe.model), read, this_machine(), len(rows), max(lengths))
    plan.check(None)
    return plan, tokenizer, rows, lengths


def train(
    plan: TrainingPlan, tokenizer: Any, rows: Any, lengths: list[int], folder: Path
) -> list[dict[str, Any]]:
    """The steps' lines."""
    config = config_of(plan, TrainingRun(folder))
    config.save_strategy = "no"
    record = Record(folder, plan, 0, watched=False)
    trainer_of(plan, config, tokenizer, rows, lengths, record).train()
    record.close()
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def peak_bytes() -> dict[str, int]:
    """What was taken at most: of the device, or of this process's memory where there is none."""
    if torch.cuda.is_available():
        return {
            "allocated": torch.cuda.max_memory_allocated(),
            "reserved": torch.cuda.max_memory_reserved(),
        }
    return {"resident": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def measure(model: str, is_reduced: bool, out: Path) -> None:
    """Writes what is known so far after each of: the plan, the steps."""
    size = SIZES[model]
    if is_reduced:
        size = replace(size, steps=WARM_UP + 2, samples=32, max_tokens=1024, traces=min(size.traces, 2))
    told: dict[str, Any] = json.loads(out.read_text()) if out.exists() else {}
    with TemporaryDirectory() as name:
        folder = Path(name)
        recipe = replace(
            RECIPES[size.recipe],
            steps=size.steps,
            max_tokens=size.max_tokens,
            family="think",
            over_long="drop",
        )
        if model != "s1-nano":
            make_model(folder / "model", is_reduced)
            recipe = replace(recipe, model=str(folder / "model"))
        data = folder / "train.jsonl"
        lines = (
            {"problem": asdict(s.problem), "trace": asdict(s.trace)}
            for s in samples(size.samples, size.traces)
        )
        data.write_text("".join(json.dumps(line) + "\n" for line in lines))
        plan, tokenizer, rows, lengths = plan_of(recipe, data)
        told |= {
            "model": model,
            "plan": plan.text().splitlines(),
            "planned_bytes": {**asdict(plan.memory), "total": plan.memory.total},
        }
        _write(out, told)
        steps = train(plan, tokenizer, rows, lengths, folder)
    counted = steps[WARM_UP:]
    told |= {
        "peak_bytes": peak_bytes(),
        "longest_row": max(lengths),
        "median_tokens_per_s": median(each["tokens_per_s"] for each in counted),
        "median_mfu": median(each["mfu"] for each in counted) if counted[0]["mfu"] is not None else None,
        "steps": steps,
    }
    _write(out, told)


def _write(out: Path, told: dict[str, Any]) -> None:
    beside = out.with_suffix(".part")
    beside.write_text(json.dumps(told, indent=1) + "\n")
    beside.replace(out)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", choices=SIZES, required=True)
    parser.add_argument("--reduced", action="store_true", help="a few small steps")
    given = parser.parse_args(arguments)
    measure(given.model, given.reduced, given.out)


if __name__ == "__main__":
    main()
