"""TRL's GRPO, without its warning of a vLLM that it does not know: it is not TRL that talks to ours."""

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "TRL currently supports vLLM versions", UserWarning)
    from trl import GRPOConfig, GRPOTrainer

__all__ = ["GRPOConfig", "GRPOTrainer"]
