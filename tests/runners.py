"""vLLM's two model runners, on a CPU: V1 as it is, V2 with its kernels interpreted."""

from pathlib import Path

import pytest

INTERPRETED = Path(__file__).parent / "interpreted"
V2_ENVIRONMENT = {
    "VLLM_USE_V2_MODEL_RUNNER": "1",
    "TRITON_INTERPRET": "1",
    "PYTHONPATH": str(INTERPRETED),
    # The engine's process starts anew, with this path: a fork would have the Triton of this one.
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
}
INTERPRETED_TIMEOUT_S = 1200
RUNNERS = ("V1", pytest.param("V2", marks=[pytest.mark.slow, pytest.mark.timeout(INTERPRETED_TIMEOUT_S)]))


def environment_of(runner: str) -> dict[str, str]:
    """What a process needs in its environment for vLLM to take this runner."""
    return V2_ENVIRONMENT if runner == "V2" else {}


def choose(runner: str, patch: pytest.MonkeyPatch) -> None:
    """Engines that this process starts from now on have this runner."""
    for name, value in environment_of(runner).items():
        patch.setenv(name, value)
    if runner == "V2":
        # Here vLLM was imported without the path, and looks for Triton when it checks the engine's settings.
        patch.setattr("vllm.config.vllm.HAS_TRITON", True)
