"""TRL's SFTTrainer with four changes: the order of samples in a step, a stop at NaN, metrics, no false alarm.

Samples of one step are sorted by length, so that those sharing a micro-batch need little padding. Which
samples share a step, and therefore the gradient, is unchanged.
"""

import math
from collections.abc import Iterator, Sequence, Sized
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Sampler
from trl import SFTTrainer

from training.errors import TrainingError
from training.metrics import Record


class StepOrder(Sampler[int]):
    """A new order per epoch, drawn as by accelerate's SeedableRandomSampler, then sorted within steps."""

    def __init__(self, lengths: Sequence[int], batch: int, seed: int) -> None:
        self._lengths, self._batch, self._seed = lengths, batch, seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch whose order is drawn next."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed + self.epoch)
        order = torch.randperm(len(self._lengths), generator=generator).tolist()
        for at in range(0, len(order), self._batch):
            yield from sorted(order[at : at + self._batch], key=lambda one: -self._lengths[one])


class Trainer(SFTTrainer):
    """`record` is None in all processes but the first."""

    def __init__(
        self, *args: Any, lengths: Sequence[int], batch: int, record: Record | None, **kw: Any
    ) -> None:
        self._order = StepOrder(lengths, batch, kw["args"].seed)
        super().__init__(*args, **kw)
        self._record = record
        self._counts = torch.zeros(2, dtype=torch.long, device=self.args.device)
        if record:
            self.add_callback(record)

    def _get_train_sampler(self, train_dataset: Sized | None = None) -> Sampler[int]:  # noqa: ARG002
        return self._order

    def training_step(self, model: Any, inputs: dict[str, Any], *args: Any, **kw: Any) -> Tensor:
        """The loss of one micro-batch, a scalar (shape []).

        Raises:
            TrainingError: The loss is not finite.
        """
        self._counts += _token_counts(inputs).to(self._counts.device)
        loss: Tensor = super().training_step(model, inputs, *args, **kw)
        if not torch.isfinite(loss):
            self._stop("the loss", loss.item())
        return loss

    def _clip_grad_norm(self, model: Any) -> Any:
        norm = super()._clip_grad_norm(model)
        if norm is not None and not math.isfinite(value := float(norm)):
            self._stop("the gradient's norm", value)
        return norm

    def _issue_warnings_after_load(self, load_result: Any) -> None:
        """Without the weights that a checkpoint leaves out because they are tied to others, which it has."""
        tied = getattr(self.model, "all_tied_weights_keys", {})
        missing = [name for name in load_result.missing_keys if name not in tied]
        super()._issue_warnings_after_load(load_result._replace(missing_keys=missing))

    def _stop(self, what: str, value: float) -> None:
        """Stop before the weights change, so that the last checkpoint is good.

        Raises:
            TrainingError: Always.
        """
        raise TrainingError(
            f"step {self.state.global_step + 1}: {what} is {value}: stopped;"
            f" the checkpoints before it are in {self.args.output_dir}"
        )

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Record the metrics of a step."""
        if "loss" in logs:
            tokens, squares = self.accelerator.reduce(self._counts, "sum").tolist()
            self._counts.zero_()
            if self._record:
                self._record.record(self.state.global_step, logs, tokens, squares)
        super().log(logs, start_time)


def _token_counts(inputs: dict[str, Any]) -> Tensor:
    """The number of tokens without padding, and the sum of squared row lengths; shape [2]."""
    if "attention_mask" in inputs:
        lengths = inputs["attention_mask"].sum(1)
    else:
        lengths = inputs["cu_seq_lens_q"].diff()
    lengths = lengths.long()
    return torch.stack((lengths.sum(), (lengths * lengths).sum()))
