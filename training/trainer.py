"""TRL's SFTTrainer with four changes: the order of samples in a step, a stop at NaN, metrics, no false alarm.

Samples of one step are sorted by length, so that those sharing a micro-batch need little padding. Which
samples share a step, and therefore the gradient, is unchanged.
"""

from collections.abc import Iterator, Sequence, Sized
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Sampler
from trl import SFTTrainer

from training.guard import StopsAtNonsense
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


class Trainer(StopsAtNonsense, SFTTrainer):
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
        """The loss of one micro-batch, a scalar (shape [])."""
        self._counts += _token_counts(inputs).to(self._counts.device)
        loss: Tensor = super().training_step(model, inputs, *args, **kw)
        return loss

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
