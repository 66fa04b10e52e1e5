"""Refuses what would hold the event loop, or fail in vLLM when the request is half admitted.

All of it is looked at before the budget is.
"""

from collections.abc import Mapping
from typing import Any

from vllm import envs

from server.api.errors import RequestError
from server.api.histories import RESPONSES_PATH
from server.limits import RequestLimits


def refuse_before_budget(path: str, body: Mapping[str, Any], limits: RequestLimits) -> None:
    """Raises RequestError, which names the field."""
    _refuse_large_numbers(body)
    _refuse_many_choices(body, limits.max_choices)
    if path == RESPONSES_PATH:
        _refuse_unstored(body, limits.max_stored_responses)


def _refuse_large_numbers(body: Mapping[str, Any]) -> None:
    """Refuse what the engine's messages cannot hold; vLLM finds out when a request is half admitted.

    Raises:
        RequestError: A number is beyond 64 bits.
    """
    for name, value in body.items():
        inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else (value,)
        if name not in _NO_NUMBERS and any(isinstance(each, int) and abs(each) >= 2**63 for each in inside):
            raise RequestError(name, f"{name} has a number beyond 64 bits")


_NO_NUMBERS = frozenset({"messages", "input", "tools"})


def _refuse_unstored(body: Mapping[str, Any], kept: int) -> None:
    if body.get("previous_response_id") is not None and not kept:
        raise RequestError(
            "previous_response_id",
            "this server keeps no responses (--max-stored-responses 0): send the conversation in input",
        )
    if body.get("background") and not envs.VLLM_ENABLE_RESPONSES_API_STORE:
        raise RequestError(
            "background",
            "responses are not made in the background here: start the server with"
            " VLLM_ENABLE_RESPONSES_API_STORE=1 in its environment",
        )


def _refuse_many_choices(body: Mapping[str, Any], most: int) -> None:
    """Refuse more than `most`: vLLM hands all choices of a request over to the engine in one go.

    Raises:
        RequestError: It asks for more.
    """
    n = body.get("n")
    n = n if isinstance(n, int) and n > 0 else 1  # what is none of it vLLM refuses
    field, prompts = max((_count_prompts(body, name), name) for name in ("prompt", "messages"))[::-1]
    if n * prompts > most:
        said = f"n ({n})" if prompts == 1 else f"n ({n}) times the prompts ({prompts})"
        raise RequestError("n" if n > 1 else field, f"{said} is above {most}, the server's --max-choices")


def _count_prompts(body: Mapping[str, Any], field: str) -> int:
    """Of /v1/completions, or conversations of /v1/chat/completions/batch; token ids and messages are one."""
    value = body.get(field)
    return len(value) if isinstance(value, list) and value and isinstance(value[0], str | list) else 1
