"""`s1-train ablation`: train and score the missing checkpoints, then draw. A killed run can be continued."""

import json
from collections.abc import Mapping
from typing import Any

from tokenizers import Tokenizer

from server.reasoning.command import held
from training.ablation.plan import Ablation, Checkpoint
from training.ablation.score import score
from training.ablation.table import draw_all
from training.errors import TrainingError
from training.nano.claim import digest
from training.nano.run import make_nano
from training.nano.settings import NanoSettings
from training.nano.sft import SftRecipe, lesson, samples_of


def ablate(ablation: Ablation) -> None:
    """Run the ablation; writes ablation.json, models/, results/, table.md, table.json and ablation.png.

    Raises:
        TrainingError: The folder is in use or holds something else, or a checkpoint cannot be trained or
            scored.
    """
    with held(ablation.out, lambda text: TrainingError(f"--out: {text}")):
        _ablate(ablation)


def _ablate(ablation: Ablation) -> None:
    claim(ablation)
    todo = [one for one in ablation.checkpoints() if not one.scored]
    for number, one in enumerate(todo, 1):
        print(f"{one.name}: {number} of {len(todo)}", flush=True)
        train(ablation, one)
        score(ablation, one)
        draw_all(ablation)
    print(draw_all(ablation))


def train(ablation: Ablation, one: Checkpoint) -> None:
    """Train a checkpoint unless that is done."""
    if one.trained:
        return
    make_nano(
        NanoSettings(
            out=one.model,
            work=one.model.with_name(f"{one.name}.work"),
            base=ablation.base,
            data=ablation.sets[one.set_name],
            steps=ablation.steps,
            seed=one.seed,
            threads=ablation.threads,
        )
    )


def claim(ablation: Ablation) -> None:
    """Write the manifest, or check it against the folder's; seeds may be added.

    Raises:
        TrainingError: The folder holds another ablation, or other files.
    """
    path = ablation.out / "ablation.json"
    manifest = json.loads(json.dumps(manifest_of(ablation)))
    if path.exists():
        kept = json.loads(path.read_text())
        other = [name for name in manifest if name != "seeds" and manifest[name] != kept.get(name)]
        if other:
            raise TrainingError(f"--out: {ablation.out} holds another ablation: {', '.join(other)} differ")
    elif ablation.out.exists() and any(ablation.out.iterdir()):
        raise TrainingError(f"--out: {ablation.out} is not empty and holds no ablation")
    ablation.out.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(manifest, indent=2) + "\n")


def manifest_of(ablation: Ablation) -> dict[str, Any]:
    """The manifest: digests of base and sets, and the settings that affect the results."""
    tokenizer = Tokenizer.from_file(str(ablation.base / "tokenizer.json"))
    return {
        "schema": 1,
        "base": digest(ablation.base / "model.safetensors"),
        "sets": {name: set_of(ablation, name, tokenizer) for name in ablation.sets},
        "seeds": ablation.seeds,
        "steps": ablation.steps,
        "batch": SftRecipe().batch,
        "waits": ablation.waits,
        "problems": ablation.problems,
    }


def set_of(ablation: Ablation, name: str, tokenizer: Tokenizer) -> Mapping[str, Any]:
    """A set's digest, number of samples, mean length in tokens, and share of correct traces."""
    path = ablation.sets[name]
    samples = samples_of(path)
    tokens = [len(lesson(tokenizer, one, SftRecipe().row).ids) for one in samples]
    right = [one.trace.correct for one in samples if one.trace.correct is not None]
    return {
        "sha256": digest(path),
        "samples": len(samples),
        "mean_tokens": round(sum(tokens) / len(tokens), 1),
        "correct": round(sum(right) / len(right), 3) if right else None,
    }
