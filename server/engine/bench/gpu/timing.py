"""In the engine's worker process: how long the budgets' own work takes, and what the worker is made of."""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, median
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from server.engine.worker.extension import BudgetWorkerExtension

TIMED = ("seat", "prepare", "commit", "scripts", "scripts_behind", "begin_drafted", "commit_drafted")
"""Of the enforcer: as the batch changes, before sampling, after it; then those of a step with drafts."""


# The ignores: PyTorch's mode has no types.
class Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts PyTorch's operations on tensors."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """As the base class asks."""
        self.count += 1
        return func(*args, **(kwargs or {}))


class TimedExtension(BudgetWorkerExtension):
    """The worker extension, with questions for benchmarks."""

    _s1_times: defaultdict[str, list[float]]
    _s1_operations: Operations
    _s1_steps: int

    def s1_time_steps(self) -> None:
        """From now on each step's work is timed: on the host, what is launched on the device not included."""
        self._s1_times = defaultdict(list)
        enforcer = self._s1_enforcer
        for name in TIMED:
            setattr(enforcer, name, _timed(getattr(enforcer, name), self._s1_times[name]))

    @property
    def _s1_enforcer(self) -> Any:
        sampler = self.model_runner.sampler
        return sampler.budgets.enforcer if self.use_v2_model_runner else sampler.enforcer

    def s1_step_times(self) -> dict[str, dict[str, float]]:
        """Microseconds a step since the last time this was asked, by what was done."""
        told = {name: _summary(seconds) for name, seconds in self._s1_times.items() if seconds}
        for seconds in self._s1_times.values():
            seconds.clear()
        return told

    def s1_count_operations(self) -> None:
        """From now on the operations on tensors of the same work are counted, which takes time."""
        self._s1_operations, enforcer = Operations(), self._s1_enforcer
        for name in TIMED:
            setattr(enforcer, name, _counted(getattr(enforcer, name), self._s1_operations))

    def s1_operations(self) -> int:
        """So far."""
        return self._s1_operations.count

    def s1_count_steps(self) -> None:
        """From now on the steps of this worker are counted, with budgets or without."""
        self._s1_steps, sample = 0, self.model_runner.sample_tokens

        def counted(*args: Any, **kwargs: Any) -> Any:
            self._s1_steps += 1
            return sample(*args, **kwargs)

        self.model_runner.sample_tokens = counted

    def s1_steps(self) -> int:
        """So far."""
        return self._s1_steps

    def s1_describe(self) -> dict[str, Any]:
        """Of which parts vLLM has made this worker."""
        runner: Any = self.model_runner
        config = runner.vllm_config
        groups = [group for some in getattr(runner, "attn_groups", []) for group in some]
        peak = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None
        return {
            "runner": f"{type(runner).__module__}.{type(runner).__name__}",
            "sampler": type(runner.sampler).__name__,
            "attention": sorted({group.backend.get_name() for group in groups}),
            "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
            "dtype": str(config.model_config.dtype),
            "async_scheduling": config.scheduler_config.async_scheduling,
            "prefix_caching": config.cache_config.enable_prefix_caching,
            "compilation": str(config.compilation_config.mode),
            "graphs": str(config.compilation_config.cudagraph_mode),
            "speculation": str(config.speculative_config.method) if config.speculative_config else None,
            "vllm": _version_of_vllm(),
            "torch": str(torch.__version__),
            "peak_bytes": peak,
        }


def _version_of_vllm() -> str:
    import vllm

    return str(vllm.__version__)


def _timed(call: Callable[..., Any], seconds: list[float]) -> Callable[..., Any]:
    def timed(*args: Any) -> Any:
        began = time.perf_counter()
        try:
            return call(*args)
        finally:
            seconds.append(time.perf_counter() - began)

    return timed


def _counted(call: Callable[..., Any], operations: Operations) -> Callable[..., Any]:
    def counted(*args: Any) -> Any:
        with operations:
            return call(*args)

    return counted


def _summary(seconds: list[float]) -> dict[str, float]:
    micro = sorted(each * 1e6 for each in seconds)
    return {
        "steps": len(micro),
        "median_us": round(median(micro), 1),
        "mean_us": round(fmean(micro), 1),
        "p99_us": round(micro[int(len(micro) * 0.99)], 1),
    }
