"""What of vLLM's speculative decoding is let through under thinking budgets, and what is refused by name."""

from types import SimpleNamespace
from typing import Any

import pytest

from server.engine.launch.speculation import METHODS, check_speculation, speculation_flags


def config(method: str = "ngram", rejection: str = "standard", is_v2: bool = False) -> Any:
    """Of vLLM's configuration, what is looked at."""
    speculation = SimpleNamespace(method=method, rejection_sample_method=rejection)
    return SimpleNamespace(speculative_config=speculation, use_v2_model_runner=is_v2)


@pytest.mark.parametrize("method", METHODS)
def test_method_that_budgets_hold_under_is_let_through_without_async_scheduling(method: str) -> None:
    check_speculation(config(method))
    assert speculation_flags({"method": method}, is_asynchronous=None) == ["--no-async-scheduling"]


def test_no_speculation_is_nothing_to_check() -> None:
    check_speculation(SimpleNamespace(speculative_config=None, use_v2_model_runner=True))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (config("medusa"), "method 'medusa'"),
        (config("dflash"), "method 'dflash'"),
        (config("ngram_gpu"), "method 'ngram_gpu'"),
        (config(rejection="synthetic"), "rejection_sample_method 'synthetic'"),
        (config(rejection="block"), "rejection_sample_method 'block'"),
        (config(is_v2=True), "VLLM_USE_V2_MODEL_RUNNER=0"),
    ],
)
def test_what_vllm_has_found_is_refused_by_name(found: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_speculation(found)


def test_models_own_name_of_its_prediction_is_one_of_mtp() -> None:
    speculation_flags({"method": "deepseek_mtp"}, is_asynchronous=False)
    with pytest.raises(ValueError, match="--async-scheduling"):
        speculation_flags({"method": "deepseek_mtp"}, is_asynchronous=True)
