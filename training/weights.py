"""A checkpoint's weight files, and what its configuration says of them."""

import json
from pathlib import Path

from training.base import Base


def weights_of(base: Base) -> dict[str, int]:
    """Names and sizes of the base's weight files; empty for a hub id."""
    folder = Path(base.model)
    return {one.name: one.stat().st_size for one in sorted(folder.glob("*.safetensors"))}


def set_bf16(config: Path) -> None:
    """Correct config.json: save_pretrained records the dtype of the model, not that of the saved weights."""
    written = json.loads(config.read_text())
    config.write_text(json.dumps({**written, "dtype": "bfloat16"}, indent=2) + "\n")
