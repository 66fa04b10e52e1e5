"""The start-up check of vLLM's parts in the API process, where the server leans on what is private there."""

import inspect
from types import SimpleNamespace
from typing import Any

from vllm.reasoning import ReasoningParser
from vllm.sampling_params import SamplingParams
from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.engine.core_client import DPLBAsyncMPClient
from vllm.v1.engine.detokenizer import BaseIncrementalDetokenizer
from vllm.v1.engine.output_processor import RequestState

from server.engine.reasoning_parser import FamilyParser
from server.engine.seams import SeamError, require


def check_seams(engine: AsyncLLM) -> None:
    """Raises SeamError, which says what is missing."""
    require(engine, "engine_core", "output_processor", "renderer", "model_config", "vllm_config")
    check_core(engine.engine_core)
    require(engine.output_processor, "request_states", "do_tracing", "tracing_enabled", "propagate_error")
    require(engine.output_processor, "has_unfinished_requests", "abort_requests")
    # What was drafted and accepted behind a stop is no output.
    require(engine.output_processor, "_trim_surplus_tokens")
    check_request_state(RequestState)
    check_detokenizer(BaseIncrementalDetokenizer)
    check_parser(ReasoningParser)


def check_core(core: Any) -> None:
    """The client's connection to its engines: what requests, questions and the end of thinking go through."""
    require(core, "add_request_async", "call_utility_all_async", "_send_input_message")
    require(core, "utility_results", "client_index", "encoder", "core_engine", "core_engines", "resources")
    # An answer comes before the tokens after it, since both come through this one socket.
    require(core.resources, "output_socket")
    if isinstance(core, DPLBAsyncMPClient):
        require(core, "reqs_in_flight")


def check_request_state(state: type) -> None:
    """Check a request's state, in which the detokenizer is replaced before the first token.

    Raises:
        SeamError: It lacks a field; it says which.
    """
    made_with = inspect.signature(state).parameters
    for name in ("detokenizer", "request_index"):
        if name not in made_with:
            raise SeamError(f"this release of vLLM has no {state.__name__}.{name}")


def check_detokenizer(base: type) -> None:
    """Check that a detokenizer stops at strings that are set later: they are armed when the answer begins.

    Raises:
        SeamError: It takes no notice of them.
    """

    class SeamProbe(base):
        """Each token is an x."""

        def decode_next(self, next_token_id: int) -> str:
            del next_token_id
            return "x"

    probe = SeamProbe(SimpleNamespace(sampling_params=SamplingParams()))
    require(probe, "stop", "stop_buffer_length", "include_stop_str_in_output", "output_text")
    before = probe.update([0], False)
    probe.stop = ["x"]
    if (before, probe.update([0], False)) != (None, "x"):
        raise SeamError(f"this release of vLLM takes no notice of a {base.__name__}.stop that is set later")


def check_parser(base: type) -> None:
    """The hooks of a reasoning parser: one that nobody calls would leave the split to vLLM's defaults."""
    require(base, *(name for name in vars(FamilyParser) if not name.startswith("_") and name != "row"))
