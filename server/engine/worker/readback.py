"""A step's small tensors on their way to the CPU; nobody waits for them before the next step needs them."""

from collections.abc import Sequence

import torch


class Readback:
    """One copy of several columns [rows], of any integer type. On a CPU they must not be changed after."""

    def __init__(self, columns: Sequence[torch.Tensor]) -> None:
        together = torch.stack([column.to(torch.int64) for column in columns])
        # Without blocking, a device's tensor is copied into pinned memory.
        self._copy = together.to("cpu", non_blocking=True)
        self._arrived: torch.Event | None = None
        if together.device.type != "cpu":
            # Later work on the stream, such as the next step's forward pass, is not waited for.
            self._arrived = torch.Event(together.device)
            self._arrived.record()

    def columns(self) -> list[list[int]]:
        """The columns in the order they were given, once they have arrived."""
        if self._arrived is not None:
            self._arrived.synchronize()
        columns: list[list[int]] = self._copy.tolist()
        return columns
