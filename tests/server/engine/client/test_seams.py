"""A renamed attribute of vLLM ends the start, with its name."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from vllm.reasoning import ReasoningParser
from vllm.v1.engine.detokenizer import BaseIncrementalDetokenizer
from vllm.v1.engine.output_processor import RequestState

from server.engine.client.seams import (
    check_core,
    check_detokenizer,
    check_parser,
    check_request_state,
    check_seams,
)
from server.engine.client.worker_calls import ThinkingEnder
from server.engine.seams import SeamError, require

OF_CORE = (
    "add_request_async",
    "call_utility_all_async",
    "_send_input_message",
    "utility_results",
    "client_index",
    "encoder",
    "core_engine",
    "core_engines",
)
OF_OUTPUTS = (
    "request_states",
    "do_tracing",
    "tracing_enabled",
    "propagate_error",
    "has_unfinished_requests",
    "abort_requests",
    "_trim_surplus_tokens",
)
HOOKS = ("is_reasoning_end_streaming", "extract_content_ids", "adjust_initial_state_from_prompt")


def core() -> SimpleNamespace:
    """An engine client of vLLM as it is."""
    return SimpleNamespace(resources=SimpleNamespace(output_socket=None), **dict.fromkeys(OF_CORE))


def engine() -> SimpleNamespace:
    """An engine of vLLM as it is."""
    outputs = SimpleNamespace(**dict.fromkeys(OF_OUTPUTS))
    others = dict.fromkeys(("renderer", "model_config", "vllm_config"))
    return SimpleNamespace(engine_core=core(), output_processor=outputs, **others)


def test_installed_vllm_is_as_it_should_be() -> None:
    check_seams(engine())


@pytest.mark.parametrize("name", [*OF_CORE, "resources"])
def test_renamed_attribute_of_the_engine_client_is_named(name: str) -> None:
    found = core()
    delattr(found, name)
    with pytest.raises(SeamError, match=f"no .*{name}$"):
        check_core(found)


@pytest.mark.parametrize("name", OF_OUTPUTS)
def test_renamed_attribute_of_the_output_processor_is_named(name: str) -> None:
    found = engine()
    delattr(found.output_processor, name)
    with pytest.raises(SeamError, match=f"no .*{name}$"):
        check_seams(found)


def test_second_socket_for_outputs_is_named() -> None:
    found = core()
    found.resources = SimpleNamespace(other_socket=None)
    with pytest.raises(SeamError, match="output_socket"):
        check_core(found)


class LateStops(BaseIncrementalDetokenizer):
    """Reads its stop strings once."""

    stop: list[str]

    def __init__(self, request: Any) -> None:
        super().__init__(request)
        self._stop_once = self.stop

    def update(self, new_token_ids: list[int], stop_terminated: bool) -> str | None:
        self.stop = self._stop_once
        return super().update(new_token_ids, stop_terminated)


class OtherStops(BaseIncrementalDetokenizer):
    """Has them by another name."""

    def __init__(self, request: Any) -> None:
        super().__init__(request)
        del self.stop_buffer_length


class OtherState:
    """Of a request, made with no detokenizer."""

    def __init__(self, request_index: int) -> None:
        self.request_index = request_index


@pytest.mark.parametrize(
    ("check", "owner", "said"),
    [
        (check_detokenizer, LateStops, "LateStops.stop that is set later"),
        (check_detokenizer, OtherStops, "Probe.stop_buffer_length"),
        (check_request_state, OtherState, "OtherState.detokenizer"),
        (check_parser, object, "object.is_reasoning_end, "),
    ],
)
def test_renamed_part_is_named(check: Callable[[type], None], owner: type, said: str) -> None:
    with pytest.raises(SeamError, match=said):
        check(owner)


@pytest.mark.parametrize(
    ("check", "owner"),
    [
        (check_detokenizer, BaseIncrementalDetokenizer),
        (check_request_state, RequestState),
        (check_parser, ReasoningParser),
    ],
)
def test_installed_part_is_as_it_should_be(check: Callable[[type], None], owner: type) -> None:
    check(owner)


@pytest.mark.parametrize("name", HOOKS)
def test_parser_without_a_hook_is_named(name: str) -> None:
    hooks = {hook: None for hook in dir(ReasoningParser) if hook != name and not hook.startswith("__")}
    with pytest.raises(SeamError, match=f"no Renamed.{name}$"):
        check_parser(type("Renamed", (), hooks))


async def test_question_that_is_not_answered_here_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.engine.client.worker_calls.ANSWER_WITHIN_S", 0.05)

    async def send(message: Any, engine: Any) -> None:
        del message, engine

    silent = core()
    silent.utility_results, silent.core_engines = {}, ["only"]
    silent._send_input_message, silent.encoder = send, SimpleNamespace(encode=lambda call: [call])
    with pytest.raises(SeamError, match="utility_results"):
        await ThinkingEnder(silent).check()


def test_all_that_is_missing_is_named() -> None:
    with pytest.raises(SeamError, match=r"no SimpleNamespace.a, SimpleNamespace.b$"):
        require(SimpleNamespace(c=1), "a", "b", "c")
