"""The settings of `s1-train nano`."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from training.errors import TrainingError


@dataclass(frozen=True, slots=True)
class NanoSettings:
    """`base` is an exported base to fine-tune; without it a new one is trained.

    `data` replaces the teacher's traces; `steps` fixes the steps of fine-tuning, whatever the size of the
    set.
    """

    out: Path
    work: Path
    stage: str = "all"
    base: Path | None = None
    data: Path | None = None
    steps: int | None = None
    seed: int = 1
    threads: int = 2

    def __post_init__(self) -> None:
        if self.stage == "base" and (self.base or self.data or self.steps):
            raise TrainingError(
                "--stage base ends before fine-tuning: --base, --data and --steps do not apply"
            )
        if self.steps is not None and self.steps < 1:
            raise TrainingError(f"--steps: {self.steps} is below 1")
        for flag, path, needed in (
            ("--base", self.base, self.base and self.base / "model.safetensors"),
            ("--base", self.base, self.base and self.base / "tokenizer.json"),
            ("--data", self.data, self.data),
        ):
            if needed and not needed.is_file():
                raise TrainingError(f"{flag}: {path}: no {needed.name} there")


def settings_of(parsed: argparse.Namespace) -> NanoSettings:
    """The settings that were asked for.

    Raises:
        TrainingError: They contradict each other, or a file is missing.
    """
    given = {
        name: getattr(parsed, name) for name in ("out", "stage", "base", "data", "steps", "seed", "threads")
    }
    return NanoSettings(work=parsed.work or parsed.out.with_name(parsed.out.name + ".work"), **given)
