"""What of vLLM's speculative decoding is let through under thinking budgets, and what is refused by name."""

from types import SimpleNamespace
from typing import Any

import pytest
from vllm.usage.usage_lib import UsageContext

from server.engine.launch.speculation import METHODS, check_flags, configure

USAGE = UsageContext.OPENAI_API_SERVER


class EngineArgs:
    """Of vLLM's, what is looked at, and what comes of it where async scheduling is on unless told."""

    def __init__(
        self,
        method: str | None = "ngram",
        rejection: str = "standard",
        is_v2: bool = False,
        async_scheduling: bool | None = None,
        is_adaptive: bool = False,
    ) -> None:
        self.async_scheduling = async_scheduling
        self._is_v2 = is_v2
        self._speculation = (
            None
            if method is None
            else SimpleNamespace(
                method=method, rejection_sample_method=rejection, enable_adaptive_verification=is_adaptive
            )
        )

    def create_engine_config(self, usage_context: object) -> Any:
        del usage_context
        return SimpleNamespace(
            speculative_config=self._speculation,
            use_v2_model_runner=self._is_v2,
            scheduler_config=SimpleNamespace(async_scheduling=self.async_scheduling is not False),
        )


def is_asynchronous(args: Any) -> bool:
    found: bool = configure(args, USAGE).scheduler_config.async_scheduling
    return found


@pytest.mark.parametrize("method", METHODS)
def test_method_that_budgets_hold_under_is_let_through(method: str) -> None:
    check_flags({"method": method})
    assert is_asynchronous(EngineArgs(method, is_v2=True))
    assert not is_asynchronous(EngineArgs(method))  # placeholders would be counted


def test_without_speculation_nothing_is_changed() -> None:
    assert is_asynchronous(EngineArgs(None))
    assert is_asynchronous(EngineArgs(None, async_scheduling=True))
    assert not is_asynchronous(EngineArgs(None, is_v2=True, async_scheduling=False))


def test_what_was_asked_for_and_does_not_hold_is_refused_by_its_flag() -> None:
    assert is_asynchronous(EngineArgs(is_v2=True, async_scheduling=True))
    with pytest.raises(ValueError, match="--async-scheduling"):
        is_asynchronous(EngineArgs(async_scheduling=True))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (EngineArgs("medusa"), "method 'medusa'"),
        (EngineArgs("dflash", is_v2=True), "method 'dflash'"),
        (EngineArgs("ngram_gpu"), "method 'ngram_gpu'"),
        (EngineArgs(rejection="synthetic"), "rejection_sample_method 'synthetic'"),
        (EngineArgs(rejection="block", is_v2=True), "rejection_sample_method 'block'"),
        (EngineArgs("mtp", is_v2=True, is_adaptive=True), "enable_adaptive_verification"),
    ],
)
def test_what_vllm_has_found_is_refused_by_name(found: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        is_asynchronous(found)


def test_models_own_name_of_its_prediction_is_one_of_mtp() -> None:
    check_flags({"method": "deepseek_mtp"})
    with pytest.raises(ValueError, match="method 'medusa'"):
        check_flags({"method": "medusa"})
