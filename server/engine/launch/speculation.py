"""The speculative decoding of vLLM's that thinking budgets hold under.

There each token that comes is a draw of the model's own, whatever was drafted, and the drafts are known
before they are verified.
"""

from collections.abc import Mapping
from typing import Any

from vllm.config import VllmConfig

FLAG = "--speculative-config"
METHODS = ("ngram", "draft_model", "suffix", "eagle", "eagle3", "mtp")
OTHERS = "(--family none switches thinking budgets off)"


def speculation_flags(asked: Mapping[str, Any], is_asynchronous: bool | None) -> list[str]:
    """The vLLM flags that go with the user's speculative decoding.

    Raises:
        ValueError: Budgets do not hold under it; it names what is wrong.
    """
    _check(asked.get("method") or "ngram", asked.get("rejection_sample_method") or "standard")
    if is_asynchronous:
        raise ValueError(
            "--async-scheduling: with speculative decoding a thinking budget would count tokens that are not"
            f" there yet {OTHERS}"
        )
    return ["--no-async-scheduling"]


def check_speculation(config: VllmConfig) -> None:
    """The same once vLLM has found the method by the draft model.

    Raises:
        ValueError: Budgets do not hold under it; it names what is wrong.
    """
    speculation = config.speculative_config
    if speculation is None:
        return
    if config.use_v2_model_runner:
        raise ValueError(
            f"{FLAG}: thinking budgets hold under it on vLLM's V1 model runner only: set"
            f" VLLM_USE_V2_MODEL_RUNNER=0 {OTHERS}"
        )
    _check(speculation.method, speculation.rejection_sample_method)


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
