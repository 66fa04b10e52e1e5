"""The folder of a run: its owner, its complete checkpoints, and the resulting model.

OUT/run/ holds the run's identity, metrics and checkpoints; the model appears in OUT when training has
finished.
"""

import json
import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate import PartialState
from transformers import TrainerCallback

from server.reasoning.command import held
from training.errors import TrainingError

WHOLE = "whole"
"""The name of the marker file in a complete checkpoint."""


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """`out` is the folder named by the user, `command` what makes it."""

    out: Path
    command: str = "sft"

    @property
    def folder(self) -> Path:
        """The folder of the run's state."""
        return self.out / "run"

    @property
    def checkpoints(self) -> Path:
        """The folder of its checkpoints."""
        return self.folder / "checkpoints"

    def held(self) -> AbstractContextManager[None]:
        """A lock against other runs in this folder, as a context; for the first process only.

        Raises:
            TrainingError: Another run holds it, or the folder cannot be written to.
        """
        return held(self.out, lambda text: TrainingError(f"--out: {text}"))

    def claim(self, identity: Mapping[str, Any]) -> None:
        """Start the run, or check that the folder's run is the same; for the first process only.

        Raises:
            TrainingError: The folder holds a finished model, another run, or other files.
        """
        if (self.out / "making.json").exists():
            raise TrainingError(f"--out: {self.out} holds a finished model; a run never overwrites another")
        kept, text = self.folder / "run.json", json.dumps(identity, indent=2, default=str) + "\n"
        if kept.exists():
            _refuse_other(kept, json.loads(kept.read_text()), json.loads(text))
        elif self.out.exists() and any(self.out.iterdir()):
            raise TrainingError(f"--out: {self.out} is not empty and holds no run of s1-train {self.command}")
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(".part")
        partial.write_text(text)
        partial.replace(kept)

    def latest(self) -> Path | None:
        """The last complete checkpoint, or None."""
        whole = [one.parent for one in self.checkpoints.glob(f"checkpoint-*/{WHOLE}")]
        return max(whole, key=step_of, default=None)

    def sweep(self) -> None:
        """Remove checkpoints left incomplete by a kill."""
        for one in self.checkpoints.glob("checkpoint-*"):
            if not (one / WHOLE).exists():
                shutil.rmtree(one)

    def publish(self, made: Path, making: Mapping[str, Any]) -> None:
        """Move the exported files into `out`, and write making.json last."""
        for file in sorted(made.iterdir()):
            file.chmod(0o644)  # safetensors creates files readable by the owner only
            file.replace(self.out / file.name)
        made.rmdir()
        partial = self.folder / "making.part"
        partial.write_text(json.dumps(making, indent=2, default=str) + "\n")
        partial.replace(self.out / "making.json")


def step_of(checkpoint: Path) -> int:
    """The step of a checkpoint."""
    return int(checkpoint.name.removeprefix("checkpoint-"))


class MarkWhole(TrainerCallback):
    """Marks complete checkpoints: transformers writes a checkpoint file by file."""

    def on_save(self, args: Any, state: Any, *_: Any, **__: Any) -> None:
        """Mark the checkpoint after every process has written its part."""
        PartialState().wait_for_everyone()  # each process writes its shard
        if state.is_world_process_zero:
            (Path(args.output_dir) / f"checkpoint-{state.global_step}" / WHOLE).touch()


def _refuse_other(path: Path, kept: dict[str, Any], asked: dict[str, Any]) -> None:
    """Check that the folder's run is the one asked for.

    Raises:
        TrainingError: It is another; the message names the differences.
    """
    other = [name for name in {**kept, **asked} if kept.get(name) != asked.get(name)]
    if other:
        named = ", ".join(f"{n} was {kept.get(n)!r}, is {asked.get(n)!r}" for n in other)
        raise TrainingError(f"--out: {path.parent.parent} holds another run: {named}")
