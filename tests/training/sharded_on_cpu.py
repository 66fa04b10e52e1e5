"""`s1-train` with its GPU settings on CPU processes: FSDP2 over gloo, which accelerate offers for GPUs only.

The sharding itself (torch's fully_shard) runs on CPUs; only accelerate's check for GPUs is patched.
"""

import sys
from dataclasses import replace
from typing import Any

from accelerate import PartialState
from accelerate.utils import DistributedType

import training.settings
from training.__main__ import main
from training.machine import Machine, this_machine

begin = PartialState.__init__


def begin_as_gpus(self: Any, *given: Any, **named: Any) -> None:
    begin(self, *given, **named)
    if self.distributed_type is DistributedType.MULTI_CPU:
        PartialState._shared_state["distributed_type"] = DistributedType.MULTI_GPU


def as_gpus() -> Machine:
    return replace(this_machine(), name="GPU")


if __name__ == "__main__":
    PartialState.__init__ = begin_as_gpus
    vars(training.settings)["this_machine"] = as_gpus
    sys.exit(main())
