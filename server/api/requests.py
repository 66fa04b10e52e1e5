"""Reads the budget out of a request's JSON, for every endpoint that generates."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from server.budget.budget import BudgetError, ThinkingBudget
from server.budget.parsing.read import DEFAULT_SOURCE, BudgetDefaults, read_budget
from server.engine.client.call import Call
from server.scaling.request import ScalingDefaults, Wanted, budget_body, read_scaling, refuse_budget

CHAT_PATHS = frozenset(
    {"/v1/chat/completions", "/v1/chat/completions/batch", "/v1/responses", "/v1/messages"}
)
PATHS = CHAT_PATHS | {"/v1/completions", "/invocations"}
CHAT_PATH = "/v1/chat/completions"
HIDING_PATHS = frozenset({"/v1/chat/completions", "/v1/responses"})
"""Where vLLM reads `include_reasoning`."""


@dataclass(frozen=True, slots=True)
class Scaled:
    """A request that is to be answered from many samples: how, and what each of them asks of vLLM."""

    wanted: Wanted
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ThinkingRequest:
    """A request as it goes on to vLLM, and the call that its budget travels in."""

    body: bytes
    call: Call
    scaled: Scaled | None = None


def read_request(
    path: str, raw: bytes, defaults: BudgetDefaults, scaling: ScalingDefaults
) -> ThinkingRequest | None:
    """None when the body is no JSON object: vLLM has its own error for that. Raises BudgetError, which
    says so too when the body is no JSON at all (vLLM answers a 500 to some of these)."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BudgetError("", f"the request body is not valid JSON: {error}") from error
    if not isinstance(body, dict):
        return None
    wanted = read_scaling(body, scaling)
    if wanted is not None and path != CHAT_PATH:
        raise BudgetError(wanted.said_in, f"{wanted.said_in}: {wanted.name} is for {CHAT_PATH} only.")
    read = read_budget(budget_body(body), defaults)
    if wanted is not None:
        refuse_budget(wanted, read)
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
    scaled = None if wanted is None else Scaled(wanted, forwarded)
    return ThinkingRequest(json.dumps(forwarded).encode(), call, scaled)


def default_call(defaults: BudgetDefaults) -> Call:
    """For requests to other endpoints, which may generate and name no budget."""
    read = read_budget({}, defaults)
    is_set = read.clamped_from is not None or defaults.default != ThinkingBudget()
    return Call(budget=read.budget, asked=is_set)


def _offers_tools(body: Mapping[str, Any]) -> bool:
    return bool(body.get("tools")) and body.get("tool_choice") != "none"
