"""Whether a trainer may exchange the weights: the engine of ours for it, and the flags that it goes with."""

import json
from argparse import Namespace

from vllm.distributed.weight_transfer.factory import WeightTransferEngineFactory

BACKEND = "file"


def register_file_weights() -> None:
    """Let vLLM know the engine by its name, in an engine's process; loaded only where it is asked for."""
    if BACKEND not in WeightTransferEngineFactory._registry:
        WeightTransferEngineFactory.register_engine(
            BACKEND, "server.engine.worker.file_weights", "FileWeightEngine"
        )


def update_flags(given: Namespace) -> list[str]:
    """The vLLM flags that let new weights in, to be appended to the user's.

    Raises:
        ValueError: The user's flags exclude it; it names the flag.
    """
    asked = {
        "--api-server-count": (given.api_server_count or 1) > 1,
        "--data-parallel-size": given.data_parallel_size > 1,
        "--tensor-parallel-size": given.tensor_parallel_size > 1,
        "--pipeline-parallel-size": given.pipeline_parallel_size > 1,
        "--nnodes": given.nnodes > 1,
        "--quantization": given.quantization is not None,
        "--weight-transfer-config": given.weight_transfer_config is not None,
    }
    for flag, is_asked in asked.items():
        if is_asked:
            raise ValueError(f"--weight-updates: not together with {flag}, with which it has not been tried")
    method = (given.speculative_config or {}).get("method")
    if method not in (None, "ngram"):
        raise ValueError(f"--weight-updates: the draft model of {method} would keep its old weights")
    return ["--weight-transfer-config", json.dumps({"backend": BACKEND})]
