"""The metrics of a run: one JSON line and one TensorBoard point per step, and a progress bar.

A resumed run continues after its checkpoint: later lines of the killed run are removed.
"""

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm
from transformers import TrainerCallback

from training.plan import TrainingPlan


def flops(plan: TrainingPlan, tokens: int, squares: int) -> float:
    """FLOPs of forward and backward over `tokens` tokens.

    6 per parameter and token (4 if the weights are frozen), and 6 per layer, attention width and pair of
    tokens that attend to each other (causal; Kaplan et al. 2020, appendix B of PaLM). `squares` is the sum of
    the squared row lengths.
    """
    base = plan.base
    of_weights = (4 if plan.recipe.rank else 6) * base.parameters * tokens
    return of_weights + 6.0 * base.layers * base.attention_width * squares


class StepLog:
    """The lines of a run's steps, in a file, in TensorBoard and as a progress bar."""

    def __init__(self, folder: Path, steps: int, resumed: int, watched: bool) -> None:
        self._path = folder / "metrics.jsonl"
        self.kept = lines_until(self._path, resumed)
        """Those of the run before it was resumed."""
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=resumed + 1)
        self._bar = tqdm(total=steps, initial=resumed, unit="step", mininterval=0.1 if watched else 30.0)

    def write(self, line: dict[str, Any], drawn: Iterable[str], shown: dict[str, str]) -> None:
        """One step; `drawn`: what TensorBoard has of it, where it is known, `shown`: what the bar has."""
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        for name in drawn:
            if line[name] is not None:
                self._board.add_scalar(name, line[name], line["step"])
        self._bar.set_postfix(shown)
        self._bar.update(line["step"] - self._bar.n)

    def close(self) -> None:
        """Close TensorBoard's writer and the progress bar."""
        self._board.close()
        self._bar.close()


class Record(TrainerCallback):
    """Records metrics, in the first process only."""

    def __init__(self, folder: Path, plan: TrainingPlan, resumed: int, watched: bool) -> None:
        self._plan, self._log = plan, StepLog(folder, plan.steps, resumed, watched)
        self._tokens = self._log.kept[-1]["tokens"] if self._log.kept else 0
        self._seconds = self._log.kept[-1]["seconds"] if self._log.kept else 0.0
        self._began = time.monotonic()

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        """Start timing the step."""
        self._began = time.monotonic()

    def record(self, step: int, logs: dict[str, float], tokens: int, squares: int) -> None:
        """Write the metrics of one step; the trainer counts `tokens` and `squares` over all devices."""
        seconds = time.monotonic() - self._began
        self._tokens, self._seconds = self._tokens + tokens, self._seconds + seconds
        machine = self._plan.machine
        mfu = None
        if machine.peak:
            mfu = flops(self._plan, tokens, squares) / seconds / (machine.peak * machine.devices)
        line = {
            "step": step,
            "loss": logs["loss"],
            "learning_rate": logs["learning_rate"],
            "grad_norm": logs["grad_norm"],
            "tokens": self._tokens,
            "tokens_per_s": tokens / seconds,
            "mfu": mfu,
            "seconds": self._seconds,
        }
        shown = {"loss": f"{logs['loss']:.4f}", "tok/s": f"{tokens / seconds:,.0f}"}
        shown |= {"MFU": f"{mfu:.1%}"} if mfu is not None else {}
        self._log.write(line, ("loss", "learning_rate", "grad_norm", "tokens_per_s", "mfu"), shown)

    def close(self) -> None:
        """Close TensorBoard's writer and the progress bar."""
        self._log.close()

    @property
    def seconds(self) -> float:
        """Seconds of training so far, including the runs before a resume."""
        return float(self._seconds)

    @property
    def tokens(self) -> int:
        """Tokens trained on so far, without padding."""
        return int(self._tokens)


def lines_until(path: Path, step: int) -> list[dict[str, Any]]:
    """The complete lines of a file up to a step, which alone it keeps; a kill may have left a partial one."""
    if not path.exists():
        return []
    lines = [json.loads(line) for line in path.read_text().splitlines(True) if line.endswith("\n")]
    kept = [line for line in lines if line["step"] <= step]
    partial = path.with_suffix(".part")
    partial.write_text("".join(json.dumps(line) + "\n" for line in kept))
    partial.replace(path)
    return kept
