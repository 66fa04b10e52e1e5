"""`s1-train nano`: tokenizer, base, fine-tuning, export, in order; a killed run can be continued."""

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

import torch
from tokenizers import Tokenizer

from server.reasoning.command import held
from server.reasoning.nano.problems import problems
from training.errors import TrainingError
from training.nano.base import BaseRecipe, make_base
from training.nano.claim import claim
from training.nano.export import export, load
from training.nano.loop import RunProgress
from training.nano.measure import sweep
from training.nano.model import Shape
from training.nano.settings import NanoSettings
from training.nano.sft import SftRecipe, fine_tune, samples_of, teacher_samples
from training.nano.tokenizer import make_tokenizer


def make_nano(settings: NanoSettings) -> None:
    """Run the recipe of the embedded model.

    Raises:
        TrainingError: A folder is in use or holds something else, or the data cannot be trained on.
    """
    make(settings, BaseRecipe(), replace(SftRecipe(), steps=settings.steps))


def make(settings: NanoSettings, base_recipe: BaseRecipe, sft_recipe: SftRecipe) -> None:
    """Run a recipe; writes `making.json` (recipe, seed, tokens, seconds) next to the checkpoint.

    Raises:
        TrainingError: As `make_nano`.
    """
    with held(settings.work, lambda text: TrainingError(f"--work: {text}")):
        _make(settings, base_recipe, sft_recipe)


def _make(settings: NanoSettings, base_recipe: BaseRecipe, sft_recipe: SftRecipe) -> None:
    torch.set_num_threads(settings.threads)
    # In compiled code, threads would sum the embedding's gradient in a varying order.
    torch.use_deterministic_algorithms(True)
    identity = claim(settings, base_recipe, sft_recipe)
    runs: dict[str, RunProgress] = {}
    if settings.base is not None:
        tokenizer = Tokenizer.from_file(str(settings.base / "tokenizer.json"))
        model = load(settings.base, base_recipe.shape)
    else:
        tokenizer = make_tokenizer(settings.seed)
        model, runs["base"] = make_base(tokenizer, base_recipe, settings.seed, settings.work)
    if settings.stage == "all":
        data = settings.data
        samples = samples_of(data) if data else teacher_samples(sft_recipe.samples, settings.seed)
        sft_recipe = replace(sft_recipe, samples=len(samples))
        runs["sft"] = fine_tune(model, tokenizer, samples, sft_recipe, settings.seed, settings.work)
    export(model, tokenizer, settings.out)
    recipes = {"base": asdict(base_recipe), "sft": asdict(sft_recipe)}
    made = {
        "command": " ".join(["python", "-m", "training", *sys.argv[1:]]),
        "seed": settings.seed,
        "base": identity["base"] if settings.base else None,
        "data": identity["data"],
        "threads": settings.threads,
        "torch": torch.__version__,
        "parameters": sum(w.numel() for w in model.parameters()),
        "stages": {
            name: {"recipe": recipes[name], "steps": r.step, "tokens": r.tokens, "seconds": round(r.seconds)}
            for name, r in runs.items()
        },
    }
    (settings.out / "making.json").write_text(json.dumps(made, indent=2) + "\n")


def measure(directory: Path, split: str, n: int, seed: int, threads: int) -> dict[str, object]:
    """The sweep of an exported checkpoint on `n` problems of the split, as stored in accuracy.json.

    Raises:
        ValueError: The split is neither dev nor test.
    """
    if split not in ("dev", "test"):
        raise ValueError(f"measured on dev or test, not on {split!r}")
    torch.set_num_threads(threads)
    asked = list(problems("dev" if split == "dev" else "test", n, seed))
    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    cells = sweep(load(directory, Shape()), tokenizer, asked)
    command = f"python -m training nano-measure {directory} --split {split} --problems {n} --seed {seed}"
    return {"command": command, "split": split, "seed": seed, "cells": [asdict(one) for one in cells]}
