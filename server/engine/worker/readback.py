"""A step's small tensors on their way to the CPU; nobody waits for them before the next step needs them."""

import torch


class Readback:
    """On a CPU the tensors are there already, and must not be changed after."""

    def __init__(self, *tensors: torch.Tensor) -> None:
        # Without blocking, a device's tensor is copied into pinned memory.
        self._copies = tuple(tensor.to("cpu", non_blocking=True) for tensor in tensors)
        self._arrived: torch.Event | None = None
        device = tensors[0].device
        if device.type != "cpu":
            # Later work on the stream, such as the next step's forward pass, is not waited for.
            self._arrived = torch.Event(device)
            self._arrived.record()

    def tensors(self) -> tuple[torch.Tensor, ...]:
        """The copies, each in the shape it was given [as given], once they have arrived."""
        if self._arrived is not None:
            self._arrived.synchronize()
        return self._copies
