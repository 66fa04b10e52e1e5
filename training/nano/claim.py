"""Protects a run's folders: finished checkpoints are never overwritten, another run's state never resumed."""

import json
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

from training.errors import TrainingError
from training.nano.base import BaseRecipe
from training.nano.settings import NanoSettings
from training.nano.sft import SftRecipe


def digest(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    return sha256(path.read_bytes()).hexdigest()


def claim(settings: NanoSettings, base: BaseRecipe, sft: SftRecipe) -> dict[str, object]:
    """Claim the folders, or check that they belong to this run; returns its inputs (`work/run.json`).

    Raises:
        TrainingError: `out` holds a checkpoint, or `work` another run's state.
    """
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
