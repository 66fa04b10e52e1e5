"""The devices of a run: their number, memory and peak speed."""

import os
from dataclasses import dataclass

GIB = 2**30

# Dense bf16 FLOP/s from the vendors' data sheets; the first contained name matches.
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
    """The devices of a run: `devices` equal ones over all nodes, each with `memory` bytes.

    `peak`: FLOP/s of one device, None if unknown.
    """

    name: str
    devices: int
    memory: int
    peak: float | None = None

    @property
    def is_cpu(self) -> bool:
        """Whether training runs on CPUs."""
        return self.name == "cpu"

    @property
    def shares(self) -> bool:
        """Whether weights, gradients and optimizer state are sharded over the devices."""
        return self.devices > 1 and not self.is_cpu


def world_size() -> int:
    """Number of processes started by torchrun or Slurm."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this is the process that prints and writes files (rank 0)."""
    return int(os.environ.get("RANK", "0")) == 0


def this_machine() -> Machine:
    """The devices visible to this process; CPU processes on one host share its free memory."""
    import torch  # imported here, so that flags are parsed without loading torch

    if torch.cuda.is_available():
        name = torch.cuda.get_device_name()
        _, total = torch.cuda.mem_get_info()
        return Machine(name, world_size(), total, peak_of(name))
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return Machine("cpu", world_size(), _free_memory() // here)


def peak_of(name: str) -> float | None:
    """The peak bf16 FLOP/s of a device by its name, or None."""
    return next((peak for known, peak in PEAKS.items() if known in name), None)


def _free_memory() -> int:
    """Bytes available without swapping."""
    import psutil

    return int(psutil.virtual_memory().available)
