"""The folder of a run: whose it is, which of its checkpoints is whole, and what comes out in the end.

OUT/run/ holds the claim, the curve and the checkpoints; the model itself appears in OUT when it is finished.
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
"""This file stands in a checkpoint that was written to its end."""


@dataclass(frozen=True, slots=True)
class Run:
    """`out` is what the user named."""

    out: Path

    @property
    def folder(self) -> Path:
        return self.out / "run"

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    def held(self) -> AbstractContextManager[None]:
        """Nobody else trains here meanwhile. For the first process only."""
        return held(self.out, lambda text: TrainingError(f"--out: {text}"))

    def claim(self, identity: Mapping[str, Any]) -> None:
        """Begin, or go on with the same run; never touch another's. For the first process only."""
        if (self.out / "making.json").exists():
            raise TrainingError(f"--out: {self.out} holds a finished model; a run never overwrites another")
        kept, text = self.folder / "run.json", json.dumps(identity, indent=2, default=str) + "\n"
        if kept.exists():
            _refuse_stranger(kept, json.loads(kept.read_text()), json.loads(text))
        elif self.out.exists() and any(self.out.iterdir()):
            raise TrainingError(f"--out: {self.out} is not empty and holds no run of s1-train sft")
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        beside = kept.with_suffix(".part")
        beside.write_text(text)
        beside.replace(kept)

    def latest(self) -> Path | None:
        """The last whole checkpoint."""
        whole = [one.parent for one in self.checkpoints.glob(f"checkpoint-*/{WHOLE}")]
        return max(whole, key=step_of, default=None)

    def sweep(self) -> None:
        """Remove checkpoints that a kill left unfinished."""
        for one in self.checkpoints.glob("checkpoint-*"):
            if not (one / WHOLE).exists():
                shutil.rmtree(one)

    def publish(self, made: Path, making: Mapping[str, Any]) -> None:
        """Move what was exported into `out`, and say how it was made, last."""
        for file in sorted(made.iterdir()):
            file.chmod(0o644)  # safetensors writes for the owner only
            file.replace(self.out / file.name)
        made.rmdir()
        beside = self.folder / "making.part"
        beside.write_text(json.dumps(making, indent=2, default=str) + "\n")
        beside.replace(self.out / "making.json")


def step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix("checkpoint-"))


class MarkWhole(TrainerCallback):
    """transformers writes a checkpoint file by file; this says of each that it is complete."""

    def on_save(self, args: Any, state: Any, *_: Any, **__: Any) -> None:
        PartialState().wait_for_everyone()  # each process writes a part of it
        if state.is_world_process_zero:
            (Path(args.output_dir) / f"checkpoint-{state.global_step}" / WHOLE).touch()


def _refuse_stranger(path: Path, kept: dict[str, Any], asked: dict[str, Any]) -> None:
    other = [name for name in {**kept, **asked} if kept.get(name) != asked.get(name)]
    if other:
        named = ", ".join(f"{n} was {kept.get(n)!r}, is {asked.get(n)!r}" for n in other)
        raise TrainingError(f"--out: {path.parent.parent} holds another run: {named}")
