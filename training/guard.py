"""What all our trainers add to transformers': a stop before a weight is spoilt, and no false alarm."""

import math
from typing import Any

import torch
from torch import Tensor

from training.errors import TrainingError


class StopsAtNonsense:
    """Mixed in front of a transformers Trainer."""

    args: Any
    model: Any
    state: Any

    def training_step(self, model: Any, inputs: dict[str, Any], *args: Any, **kw: Any) -> Tensor:
        """The loss of one micro-batch, a scalar (shape []).

        Raises:
            TrainingError: The loss is not finite.
        """
        loss: Tensor = super().training_step(model, inputs, *args, **kw)  # type: ignore[misc]
        if not torch.isfinite(loss):
            self._stop("the loss", loss.item())
        return loss

    def _clip_grad_norm(self, model: Any) -> Any:
        norm = super()._clip_grad_norm(model)  # type: ignore[misc]
        if norm is not None and not math.isfinite(value := float(norm)):
            self._stop("the gradient's norm", value)
        return norm

    def _issue_warnings_after_load(self, load_result: Any) -> None:
        """Without the weights that a checkpoint leaves out because they are tied to others, which it has."""
        tied = getattr(self.model, "all_tied_weights_keys", {})
        missing = [name for name in load_result.missing_keys if name not in tied]
        super()._issue_warnings_after_load(load_result._replace(missing_keys=missing))  # type: ignore[misc]

    def _stop(self, what: str, value: float) -> None:
        """Stop before the weights change, so that the last checkpoint is good.

        Raises:
            TrainingError: Always.
        """
        raise TrainingError(
            f"step {self.state.global_step + 1}: {what} is {value}: stopped;"
            f" the checkpoints before it are in {self.args.output_dir}"
        )
