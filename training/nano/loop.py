"""The optimisation loop: warm-up, constant rate, linear decay to zero; checkpoints; deterministic resume."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from training.nano.model import Nano, document_bias, rotations
from training.nano.texts import IGNORE, Rows


@dataclass(frozen=True, slots=True)
class Schedule:
    """The steps of a run, and its schedule as shares of the steps. `save_every` 0 writes no checkpoint."""

    steps: int
    warm_up: float
    decay: float
    save_every: int = 0


def rate(plan: Schedule, step: int) -> float:
    """The fraction of the peak learning rate at this step."""
    up = (step + 1) / max(1.0, plan.warm_up * plan.steps)
    down = (plan.steps - step) / max(1.0, plan.decay * plan.steps)
    return min(1.0, up, down)


def batch_loss(model: Callable[..., Tensor], rows: Rows, cos: Tensor, sin: Tensor) -> Tensor:
    """The mean loss of a batch, a scalar; `rows` has shape [rows, length], `cos` and `sin` [length, head]."""
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(rows.ids, cos, sin, document_bias(rows.documents))
    return functional.cross_entropy(logits.flatten(0, 1).float(), rows.labels.flatten(), ignore_index=IGNORE)


@dataclass(slots=True)
class RunProgress:
    """The progress of a run, including the runs before a resume.

    `path` is its checkpoint, next to the log.
    """

    path: Path
    step: int = 0
    tokens: int = 0
    seconds: float = 0.0

    def report(self, plan: Schedule, loss: float) -> None:
        """Append a line to the log."""
        line = {
            "step": self.step,
            "of": plan.steps,
            "loss": round(loss, 4),
            "tokens": self.tokens,
            "seconds": round(self.seconds, 1),
        }
        with self.path.with_suffix(".log").open("a") as log:
            log.write(json.dumps(line) + "\n")

    def save(self, model: Nano, optims: list[torch.optim.Optimizer]) -> None:
        """Write the checkpoint atomically."""
        partial = self.path.with_suffix(".part")
        done = {"step": self.step, "tokens": self.tokens, "seconds": self.seconds}
        torch.save({"model": model.state_dict(), "optims": [o.state_dict() for o in optims], **done}, partial)
        partial.rename(self.path)

    def resume(self, model: Nano, optims: list[torch.optim.Optimizer]) -> None:
        """Load the checkpoint, if there is one."""
        if not self.path.exists():
            return
        state = torch.load(self.path)
        model.load_state_dict(state["model"])
        for optim, kept in zip(optims, state["optims"], strict=True):
            optim.load_state_dict(kept)
        self.step, self.tokens, self.seconds = state["step"], state["tokens"], state["seconds"]


def set_rates(optims: list[torch.optim.Optimizer], share: float) -> None:
    """Set each group's learning rate to a fraction of its peak, the rate it was created with."""
    for optim in optims:
        for group in optim.param_groups:
            group.setdefault("peak", group["lr"])
            group["lr"] = group["peak"] * share


def optimise(
    model: Nano,
    optims: list[torch.optim.Optimizer],
    batches: Iterator[Rows],
    plan: Schedule,
    path: Path,
    fast: bool,
) -> RunProgress:
    """Run the plan, or the rest of it: a resumed run draws the same batches and skips those it has done."""
    run = RunProgress(path)
    run.resume(model, optims)
    if run.step >= plan.steps:
        return run
    call = torch.compile(model, dynamic=False) if fast else model
    before, began = run.seconds, time.monotonic()
    for rows in islice(batches, run.step, plan.steps):
        set_rates(optims, rate(plan, run.step))
        loss = batch_loss(call, rows, *rotations(model.shape, rows.ids.shape[1]))
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optim in optims:
            optim.step()
            optim.zero_grad(set_to_none=True)
        run.step, run.tokens = run.step + 1, run.tokens + rows.ids.numel()
        run.seconds = before + time.monotonic() - began
        if run.step % 20 == 0 or run.step == plan.steps:
            run.report(plan, loss.item())
        if plan.save_every and (run.step % plan.save_every == 0 or run.step == plan.steps):
            run.save(model, optims)
    return run
