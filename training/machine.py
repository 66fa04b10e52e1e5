"""The devices of a run: how many, how much memory each, how fast they can be at best."""

import os
from dataclasses import dataclass

GIB = 2**30

# Dense bf16 FLOP/s as the makers' data sheets give them; the first name that is contained counts.
PEAKS: dict[str, float] = {
    "B200": 2250e12,
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "A10": 125e12,
    "RTX 4090": 165e12,
}


@dataclass(frozen=True, slots=True)
class Machine:
    """`devices` alike, over all nodes. `peak`: FLOP/s of one, None where it is not known."""

    name: str
    devices: int
    memory: int
    peak: float | None = None

    @property
    def is_cpu(self) -> bool:
        return self.name == "cpu"

    @property
    def shares(self) -> bool:
        """Whether weights, gradients and optimizer are spread over the devices, not held by each."""
        return self.devices > 1 and not self.is_cpu


def world_size() -> int:
    """Processes that torchrun or Slurm started."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this process is the one that speaks and writes."""
    return int(os.environ.get("RANK", "0")) == 0


def this_machine() -> Machine:
    """What this process sees; on CPUs the processes of one machine share its free memory."""
    import torch  # not above: the flags are read before torch may be loaded

    if torch.cuda.is_available():
        name = torch.cuda.get_device_name()
        _, total = torch.cuda.mem_get_info()
        return Machine(name, world_size(), total, peak_of(name))
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return Machine("cpu", world_size(), _free_memory() // here)


def peak_of(name: str) -> float | None:
    return next((peak for known, peak in PEAKS.items() if known in name), None)


def _free_memory() -> int:
    """Bytes that can be had without swapping."""
    import psutil

    return int(psutil.virtual_memory().available)
