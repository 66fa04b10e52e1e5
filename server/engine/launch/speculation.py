"""The speculative decoding of vLLM's that thinking budgets hold under.

There each token that comes is a draw of the model's own, whatever was drafted, and the drafts are known
before they are verified.
"""

from collections.abc import Mapping
from typing import Any

from vllm.config import VllmConfig
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.usage.usage_lib import UsageContext

FLAG = "--speculative-config"
METHODS = ("ngram", "draft_model", "suffix", "eagle", "eagle3", "mtp")
OTHERS = "(--family none switches thinking budgets off)"


def check_flags(asked: Mapping[str, Any]) -> None:
    """Check the user's --speculative-config.

    Raises:
        ValueError: Budgets do not hold under it; it names what is wrong.
    """
    _check(asked.get("method") or "ngram", asked.get("rejection_sample_method") or "standard")


def configure(engine_args: AsyncEngineArgs, usage: UsageContext) -> VllmConfig:
    """vLLM's configuration of an engine whose budgets hold under its speculative decoding.

    Async scheduling is off where the V1 runner verifies drafts: it counts placeholders as tokens until it
    knows how many were accepted, and does not know the drafts. The V2 runner keeps both on the device.

    Raises:
        ValueError: Budgets do not hold under it; it names what is wrong.
    """
    config = engine_args.create_engine_config(usage)
    speculation = config.speculative_config
    if speculation is None:
        return config
    # vLLM has found the method by the draft model.
    _check(speculation.method, speculation.rejection_sample_method)
    if speculation.enable_adaptive_verification:
        raise ValueError(
            f"{FLAG}: enable_adaptive_verification: which drafts are verified is decided on the device, and a"
            f" thinking budget must know them {OTHERS}"
        )
    if config.use_v2_model_runner or not config.scheduler_config.async_scheduling:
        return config
    if engine_args.async_scheduling:
        raise ValueError(
            "--async-scheduling: with speculative decoding on vLLM's V1 model runner a thinking budget would"
            f" count tokens that are not there yet {OTHERS}"
        )
    engine_args.async_scheduling = False
    return engine_args.create_engine_config(usage)


def _check(method: str, rejection: str) -> None:
    # vLLM calls every model's own multi-token prediction "mtp"; the models' names for it are deprecated.
    if method not in METHODS and not method.endswith("_mtp"):
        raise ValueError(
            f"{FLAG}: method {method!r}: thinking budgets hold under {', '.join(METHODS)} {OTHERS}"
        )
    if rejection != "standard":
        raise ValueError(
            f"{FLAG}: rejection_sample_method {rejection!r}: thinking budgets hold under 'standard', which"
            f" accepts a draft as often as the model would have said it {OTHERS}"
        )
