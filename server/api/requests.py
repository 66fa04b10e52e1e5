"""Reads the thinking budget from a request's JSON body, for every endpoint that generates."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from server.api.announcement import announce
from server.api.errors import ANTHROPIC_PATH, RequestError
from server.api.grammar_field import grammar_field
from server.api.histories import RESPONSES_PATH, drop_blank_text, name_thoughts, put_in_order
from server.api.kept_thinking import refuse_kept, settle_thinking
from server.api.refusals import refuse_before_budget
from server.api.resumption import continues_final_message, take_thought
from server.api.switch_words import say_word
from server.api.tool_choice import offers_tools, settle_tools
from server.budget.budget import BudgetError, ThinkingBudget
from server.budget.parsing.keep import Keep
from server.budget.parsing.presets import NamedPreset, take_preset
from server.budget.parsing.read import DEFAULT_SOURCE, BudgetDefaults, ReadBudget, read_budget
from server.engine.client.call import Call
from server.limits import RequestLimits
from server.reasoning.family import Family
from server.scaling.request import (
    BUDGET_FIELD,
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
TOKENIZE_PATH = "/tokenize"
COUNTING_PATHS = frozenset({"/v1/messages/count_tokens", TOKENIZE_PATH})
"""Read as the request whose prompt they tell, but nothing is thought."""
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
    hides_tools: bool = False,
    keep: Keep | None = None,
) -> ThinkingRequest | None:
    """The parsed request; None if the body is not a JSON object (vLLM has its own error for that).

    `reads_tools`: whether the server has a parser for the model's tool calls. `hides_tools`: whether a chat
    shows the model no tools where it is to call none. `keep`: the server's word for the thinking in
    conversations; None leaves it to the chat template.

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
    if path == TOKENIZE_PATH:
        name_thoughts(body)
        if hides_tools and not offers_tools(body):
            body.pop("tools", None)  # vLLM shows them there whatever the choice is
    body, named = take_preset(body, defaults.presets)
    asking = body
    if path == TOKENIZE_PATH:  # what a method cannot be combined with shows in no prompt
        asking, scaling = _without_others(body), replace(scaling, temperature=None)
    asked = read_scaling(asking, scaling)
    if named is not None:
        defaults = defaults.under(named.preset)
    read = read_budget(budget_body(body), defaults)
    if named is not None and asked is None and read.budget.max_tokens != 0:
        asked = _scaling_of(named, asking, scaling)
    is_alone = asked is None and not body.get("use_beam_search")
    if path == TOKENIZE_PATH:
        asked = None
    _refuse_together(path, body, asked, read)
    forwarded: dict[str, Any] = dict(read.body)
    say_word(path, forwarded, defaults.template.words, read.switched)
    if read.include_thinking is False and path in HIDING_PATHS:
        forwarded["include_reasoning"] = False
    announce(path, forwarded, read, family, is_alone=is_alone)
    resumed = None
    # Samples are asked for with the conversation as it is, and a prompt that is only told is never resumed.
    if family is not None and asked is None and path != TOKENIZE_PATH:
        resumed = take_thought(path, forwarded, family)
    if path in CHAT_PATHS or "messages" in forwarded:
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


def _refuse_together(
    path: str, body: Mapping[str, Any], asked: ScalingRequest | None, read: ReadBudget
) -> None:
    """Refuse a method, a budget and the rest of a request that do not go together.

    Raises:
        BudgetError: It names the field.
    """
    if asked is not None and path != CHAT_PATH:
        raise BudgetError(asked.asked_in, f"{asked.asked_in}: {asked.name} is for {CHAT_PATH} only.")
    if asked is not None:
        refuse_budget(asked, read)
    if body.get("use_beam_search") and read.asked:
        raise BudgetError(
            "use_beam_search", "beam search has no single sequence of thinking: it takes no thinking_budget"
        )
    if read.detail and path not in (CHAT_PATH, TOKENIZE_PATH):
        raise BudgetError(
            "thinking_budget.detail", f"thinking_budget.detail is available on {CHAT_PATH} only."
        )


def _without_others(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body with no value in any field but those that ask for scaling."""
    return {name: value if name in (FIELD, BUDGET_FIELD) else None for name, value in body.items()}


def _scaling_of(
    named: NamedPreset, body: Mapping[str, Any], defaults: ScalingDefaults
) -> ScalingRequest | None:
    try:
        asked = read_scaling({**body, FIELD: named.preset.scaling}, defaults)
    except BudgetError as error:
        said = f"{error} ({named.where} asks for it: the preset {named.name})"
        raise BudgetError(error.field, said) from error
    return asked and replace(asked, asked_in=named.where)


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
