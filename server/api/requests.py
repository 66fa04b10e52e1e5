"""Reads the thinking budget from a request's JSON body, for every endpoint that generates."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from server.budget.budget import BudgetError, ThinkingBudget
from server.budget.parsing.read import DEFAULT_SOURCE, BudgetDefaults, read_budget
from server.engine.client.call import Call
from server.scaling.request import ScalingDefaults, ScalingRequest, budget_body, read_scaling, refuse_budget

CHAT_PATHS = frozenset(
    {"/v1/chat/completions", "/v1/chat/completions/batch", "/v1/responses", "/v1/messages"}
)
PATHS = CHAT_PATHS | {"/v1/completions", "/invocations"}
CHAT_PATH = "/v1/chat/completions"
UNGOVERNED_PATHS = frozenset({"/generative_scoring", "/v1/decisions", "/v1/systemone"})
"""What vLLM answers from the logprobs of one token, which must be the model's own."""
HIDING_PATHS = frozenset({"/v1/chat/completions", "/v1/responses"})
"""The endpoints on which vLLM reads `include_reasoning`."""


@dataclass(frozen=True, slots=True)
class ScaledRequest:
    """A request answered from many samples: the method, and the fields each sample passes to vLLM."""

    asked: ScalingRequest
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ThinkingRequest:
    """A request as it is forwarded to vLLM, and the call that carries its budget."""

    body: bytes
    call: Call
    scaled: ScaledRequest | None = None


def read_request(
    path: str, raw: bytes, defaults: BudgetDefaults, scaling: ScalingDefaults
) -> ThinkingRequest | None:
    """The parsed request; None if the body is not a JSON object (vLLM has its own error for that).

    Raises:
        BudgetError: A thinking field is wrong; or, with an empty field name, the body is not JSON at all
            (vLLM would answer some of these with status 500).
    """
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BudgetError("", f"the request body is not valid JSON: {error}") from error
    if not isinstance(body, dict):
        return None
    asked = read_scaling(body, scaling)
    if asked is not None and path != CHAT_PATH:
        raise BudgetError(asked.asked_in, f"{asked.asked_in}: {asked.name} is for {CHAT_PATH} only.")
    read = read_budget(budget_body(body), defaults)
    if asked is not None:
        refuse_budget(asked, read)
    if body.get("use_beam_search") and read.asked:
        raise BudgetError(
            "use_beam_search", "beam search has no single line of thinking: it takes no thinking_budget"
        )
    if read.detail and path != CHAT_PATH:
        raise BudgetError("thinking_budget.detail", f"thinking_budget.detail is given on {CHAT_PATH} only.")
    forwarded: dict[str, Any] = dict(read.body)
    if read.include_thinking is False and path in HIDING_PATHS:
        forwarded["include_reasoning"] = False
    switched_off = read.thinking_enabled is False
    call = Call(
        budget=read.budget,
        asked=read.asked
        or switched_off
        or read.clamped_from is not None
        or defaults.default != ThinkingBudget(),
        is_clamped=read.clamped_from is not None and read.source != DEFAULT_SOURCE,
        has_tools=_offers_tools(body),
        detail=read.detail,
        has_beams=bool(body.get("use_beam_search")),
        is_chat=path in CHAT_PATHS or "messages" in body,
    )
    scaled = None if asked is None else ScaledRequest(asked, forwarded)
    return ThinkingRequest(json.dumps(forwarded).encode(), call, scaled)


def default_call(path: str, defaults: BudgetDefaults) -> Call:
    """The call for other endpoints, whose requests may generate but set no budget."""
    if path in UNGOVERNED_PATHS:
        return Call(is_governed=False)
    read = read_budget({}, defaults)
    is_set = read.clamped_from is not None or defaults.default != ThinkingBudget()
    return Call(budget=read.budget, asked=is_set)


def _offers_tools(body: Mapping[str, Any]) -> bool:
    return bool(body.get("tools")) and body.get("tool_choice") != "none"
