"""Numbers beyond 64 bits and choices beyond the limit are refused by their field; what is within passes."""

from dataclasses import replace
from typing import Any

import pytest
from vllm import envs

from server.api.errors import RequestError
from server.api.refusals import refuse_before_budget
from server.limits import RequestLimits

LIMITS = RequestLimits(max_choices=8)
CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"top_k": 2**70}, "top_k"),
        ({"seed": -(2**63)}, "seed"),
        ({"stop_token_ids": [5, 2**63]}, "stop_token_ids"),
        ({"logit_bias": {"5": 2**63}}, "logit_bias"),
        ({"prompt": [1, 2**64]}, "prompt"),
        ({"n": 9}, "n"),
        ({"n": 3, "prompt": ["a", "b", "c"]}, "n"),
        ({"prompt": ["a"] * 9}, "prompt"),
        ({"prompt": [[1]] * 9}, "prompt"),
        ({"messages": [[{}]] * 9}, "messages"),
    ],
    ids=str,
)
def test_what_is_too_much_is_refused_by_its_field(body: dict[str, Any], field: str) -> None:
    with pytest.raises(RequestError) as caught:
        refuse_before_budget(CHAT, body, LIMITS)
    assert caught.value.field == field
    assert field in str(caught.value) or "prompts" in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        {"seed": 2**63 - 1, "stop_token_ids": [1, 2], "temperature": 1e300},
        {"n": 8},
        {"n": 2, "prompt": ["a"] * 4},
        {"prompt": list(range(5000)), "n": 8},
        {"messages": [{"role": "user"}] * 50},
        {"n": "many", "prompt": None},
        {"n": -1},
        {},
    ],
    ids=lambda body: str(body)[:40],
)
def test_what_is_within_the_limits_passes(body: dict[str, Any]) -> None:
    refuse_before_budget(CHAT, body, LIMITS)


def test_response_is_looked_for_only_where_responses_are_kept() -> None:
    body = {"previous_response_id": "resp_1"}
    none = replace(LIMITS, max_stored_responses=0)
    refuse_before_budget(CHAT, body, none)
    with pytest.raises(RequestError, match="--max-stored-responses"):
        refuse_before_budget(RESPONSES, body, none)
    refuse_before_budget(RESPONSES, body, LIMITS)
    refuse_before_budget(RESPONSES, {"previous_response_id": None}, none)


def test_background_is_vllms_own_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    body = {"background": True}
    monkeypatch.setattr(envs, "VLLM_ENABLE_RESPONSES_API_STORE", False, raising=False)
    with pytest.raises(RequestError, match="VLLM_ENABLE_RESPONSES_API_STORE") as caught:
        refuse_before_budget(RESPONSES, body, LIMITS)
    assert caught.value.field == "background"
    refuse_before_budget(RESPONSES, {"background": False}, LIMITS)
    monkeypatch.setattr(envs, "VLLM_ENABLE_RESPONSES_API_STORE", True)
    refuse_before_budget(RESPONSES, body, LIMITS)
