"""A run's claim on its folders: no finished checkpoint is written over, no other run's state gone on with."""

import json
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

from training.errors import TrainingError
from training.nano.base import BaseRecipe
from training.nano.settings import NanoSettings
from training.nano.sft import SftRecipe


def digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def claim(settings: NanoSettings, base: BaseRecipe, sft: SftRecipe) -> dict[str, object]:
    """What the run is made of, which stands in `work/run.json` from now on."""
    if (settings.out / "making.json").exists():
        raise TrainingError(f"--out: {settings.out} holds a checkpoint; a run never overwrites another")
    identity: dict[str, object] = {
        "stage": settings.stage,
        "seed": settings.seed,
        "base": {"sha256": digest(settings.base / "model.safetensors")} if settings.base else asdict(base),
        "data": {"sha256": digest(settings.data)} if settings.data else None,
        "sft": asdict(sft),
    }
    settings.work.mkdir(parents=True, exist_ok=True)
    kept = settings.work / "run.json"
    text = json.dumps(identity, indent=2) + "\n"
    if kept.exists() and kept.read_text() != text:
        raise TrainingError(f"--work: {settings.work} holds the state of another run, see {kept}")
    kept.write_text(text)
    return identity
