"""Reads the thinking budget from a request's JSON body, for every endpoint that generates."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from server.api.announcement import announce
from server.api.errors import ANTHROPIC_PATH, RequestError
from server.api.grammar_field import grammar_field
from server.api.histories import RESPONSES_PATH, drop_blank_text, put_in_order
from server.api.kept_thinking import refuse_kept, settle_thinking
from server.api.refusals import refuse_before_budget
from server.api.resumption import continues_final_message, take_thought
from server.api.switch_words import say_word
from server.api.tool_choice import offers_tools, settle_tools
from server.budget.budget import BudgetError, ThinkingBudget
from server.budget.parsing.keep import Keep
from server.budget.parsing.presets import take_preset
from server.budget.parsing.read import DEFAULT_SOURCE, BudgetDefaults, ReadBudget, read_budget
from server.engine.client.call import Call
from server.limits import RequestLimits
from server.reasoning.family import Family
from server.scaling.request import (
    FIELD,
    ScalingDefaults,
    ScalingRequest,
    budget_body,
    read_scaling,
    refuse_budget,
)

CHAT_PATHS = frozenset(
    {"/v1/chat/completions", "/v1/chat/completions/batch", "/v1/responses", "/v1/messages"}
)
COUNTING_PATHS = frozenset({"/v1/messages/count_tokens"})
"""Read as the request that they count, but nothing is thought."""
PATHS = CHAT_PATHS | COUNTING_PATHS | {"/v1/completions", "/invocations"}
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
    hides_thinking: bool = False
    """In a response of Anthropic's; on the other endpoints vLLM does."""


def read_request(
    path: str,
    raw: bytes,
    defaults: BudgetDefaults,
    scaling: ScalingDefaults,
    limits: RequestLimits,
    family: Family | None,
    *,
    reads_tools: bool = True,
    keep: Keep | None = None,
) -> ThinkingRequest | None:
    """The parsed request; None if the body is not a JSON object (vLLM has its own error for that).

    `reads_tools`: whether the server has a parser for the model's tool calls. `keep`: the server's word for
    the thinking in conversations; None leaves it to the chat template.

    Raises:
        BudgetError: A thinking field is wrong.
        RequestError: Something else is: the body is not JSON at all (vLLM would answer some of these with
            status 500), a number or the number of choices is too large.
    """
    body = _object(raw)
    if body is None:
        return None
    refuse_before_budget(path, body, limits)
    if path == RESPONSES_PATH:
        put_in_order(body)
    else:
        drop_blank_text(body)
    settle_tools(path, body, are_read=reads_tools)
    body, named = take_preset(body, defaults.presets)
    asked = read_scaling(body, scaling)
    if named is not None:
        defaults = defaults.under(named.preset)
    read = read_budget(budget_body(body), defaults)
    if named is not None and asked is None and read.budget.max_tokens != 0:
        asked = read_scaling({**body, FIELD: named.preset.scaling}, scaling)
        asked = asked and replace(asked, asked_in=named.where)
    if asked is not None and path != CHAT_PATH:
        raise BudgetError(asked.asked_in, f"{asked.asked_in}: {asked.name} is for {CHAT_PATH} only.")
    if asked is not None:
        refuse_budget(asked, read)
    if body.get("use_beam_search") and read.asked:
        raise BudgetError(
            "use_beam_search", "beam search has no single sequence of thinking: it takes no thinking_budget"
        )
    if read.detail and path != CHAT_PATH:
        raise BudgetError(
            "thinking_budget.detail", f"thinking_budget.detail is available on {CHAT_PATH} only."
        )
    forwarded: dict[str, Any] = dict(read.body)
    say_word(path, forwarded, defaults.template.words, read.switched)
    if read.include_thinking is False and path in HIDING_PATHS:
        forwarded["include_reasoning"] = False
    announce(path, forwarded, read, family, is_alone=asked is None and not body.get("use_beam_search"))
    resumed = None
    if family is not None and asked is None:  # samples are asked for with the conversation as it is
        resumed = take_thought(path, forwarded, family)
    if path in CHAT_PATHS | COUNTING_PATHS or "messages" in forwarded:
        settle_thinking(path, forwarded, keep, defaults.template, family)
    else:
        refuse_kept(forwarded)
    call = replace(
        _call(path, body, read, defaults),
        continues_answer=continues_final_message(path, forwarded),
        resumed=resumed,
        body_bytes=len(raw),
        previous_response_id=_previous(path, body),
    )
    scaled = None if asked is None else ScaledRequest(asked, forwarded)
    hides = path == ANTHROPIC_PATH and read.include_thinking is False
    return ThinkingRequest(json.dumps(forwarded).encode(), call, scaled, hides)


def _previous(path: str, body: Mapping[str, Any]) -> str | None:
    found = body.get("previous_response_id") if path == RESPONSES_PATH else None
    return found if isinstance(found, str) else None


def _object(raw: bytes) -> dict[str, Any] | None:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise RequestError(None, f"the request body is not valid JSON: {error}") from error
    return body if isinstance(body, dict) else None


def _call(path: str, body: Mapping[str, Any], read: ReadBudget, defaults: BudgetDefaults) -> Call:
    is_set = read.clamped_from is not None or defaults.default != ThinkingBudget()
    return Call(
        budget=read.budget,
        asked=read.asked or read.thinking_enabled is False or is_set,
        is_clamped=read.clamped_from is not None and read.source != DEFAULT_SOURCE,
        has_tools=offers_tools(body),
        grammar_field=grammar_field(body),
        insists=read.insists,
        detail=read.detail,
        returns_tokens=body.get("return_token_ids") is True,
        has_beams=bool(body.get("use_beam_search")),
        is_chat=path in CHAT_PATHS or "messages" in body,
    )


def default_call(path: str, defaults: BudgetDefaults) -> Call:
    """The call for other endpoints, whose requests may generate but set no budget."""
    if path in UNGOVERNED_PATHS:
        return Call(is_governed=False)
    read = read_budget({}, defaults)
    is_set = read.clamped_from is not None or defaults.default != ThinkingBudget()
    return Call(budget=read.budget, asked=is_set)
