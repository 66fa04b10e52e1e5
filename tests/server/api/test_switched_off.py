"""Thinking that is switched off has one end, `off`, on every endpoint and in every spelling."""

from typing import Any

import httpx
import pytest

from tests.server.api.every_endpoint import (
    ENDPOINTS,
    STREAMED,
    asked,
    events,
)

SPELLINGS: dict[str, dict[str, Any]] = {
    "budget": {"thinking_budget": 0},
    "object": {"thinking_budget": {"max_tokens": 0}},
    "think": {"think": False},
    "effort": {"reasoning_effort": "none"},
    "effort in an object": {"reasoning": {"effort": "none"}},
    "switch": {"enable_thinking": False},
    "template": {"chat_template_kwargs": {"enable_thinking": False}},
    "Anthropic": {"thinking": {"type": "disabled"}},
    "suffix": {"model": "s1-nano:think=0"},
    "suffix of an effort": {"model": "s1-nano:effort=none"},
}


def reports_in(response: httpx.Response, stream: bool) -> list[dict[str, Any]]:
    """Every report of a response, wherever its endpoint has it."""
    found = []
    for told in events(response) if stream else [response.json()]:
        for each in (told, told.get("response") or {}, *(told.get("choices") or ())):
            if isinstance(report := each.get("thinking"), dict) and "end" in report:
                found.append(report)
    return found


@ENDPOINTS
@STREAMED
@pytest.mark.parametrize("said", SPELLINGS.values(), ids=SPELLINGS)
def test_it_is_off_however_it_is_said(server_url: str, path: str, stream: bool, said: dict[str, Any]) -> None:
    response = httpx.post(server_url + path, json=asked(path, stream=stream, **said), timeout=120)
    assert response.status_code == 200, response.text
    [report] = reports_in(response, stream)
    assert (report["end"], report["tokens"], report["max_tokens"]) == ("off", 0, 0)


@ENDPOINTS
def test_a_maximum_that_cuts_is_none_that_is_off(server_url: str, path: str) -> None:
    response = httpx.post(server_url + path, json=asked(path, thinking_budget=3), timeout=120)
    [report] = reports_in(response, False)
    # A completion is no chat: its prompt opens no thinking, and the model may open none.
    assert report["end"] == "max_tokens" or (path, report["tokens"]) == ("/v1/completions", 0)
