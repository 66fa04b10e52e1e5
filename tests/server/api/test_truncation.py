"""`on_max: "truncate"`: the request ends at the maximum, nothing is forced, and the report says so."""

from typing import Any

import httpx

from tests.server.api.every_endpoint import (
    CHAT,
    COMPLETIONS,
    ENDPOINTS,
    MESSAGES,
    QUESTION,
    RESPONSES,
    STREAMED,
    asked,
    events,
)

PROMPT = f"<|im_start|>user\n{QUESTION}<|im_end|>\n<|im_start|>assistant\n<think>\n"


def ended(client: httpx.Client, path: str, stream: bool, budget: dict[str, Any]) -> tuple[str, Any, str]:
    """Why the request ended, its report, and all that came."""
    prompt = {"prompt": PROMPT} if path == COMPLETIONS else {}
    cap = "max_output_tokens" if path == RESPONSES else "max_tokens"
    more = {
        **prompt,
        cap: 300,
        "return_token_ids": True,
        "stream": stream,
        "thinking_budget": {**budget, "on_max": "truncate"},
    }
    response = client.post(path, json=asked(path, **more))
    assert response.status_code == 200, response.text
    parts = events(response) if stream else [response.json()]
    if path in (CHAT, COMPLETIONS):
        choices = [each for part in parts for each in part["choices"]]
        return (
            next(each["finish_reason"] for each in choices if each["finish_reason"]),
            choices[-1]["thinking"],
            response.text,
        )
    if path == MESSAGES:
        last = next(part for part in parts if "thinking" in part and "usage" in part)
        return last.get("stop_reason") or last["delta"]["stop_reason"], last["thinking"], response.text
    last = parts[-1].get("response", parts[-1])
    return last["status"], last["thinking"], response.text


@ENDPOINTS
@STREAMED
def test_request_ends_at_the_maximum(client: httpx.Client, path: str, stream: bool) -> None:
    reason, report, text = ended(client, path, stream, {"max_tokens": 12})
    assert reason in ("length", "max_tokens", "incomplete")
    assert (report["tokens"], report["forced_tokens"], report["end"]) == (12, 0, "max_tokens")
    assert not report.get("forced_token_spans")  # what the engine forced after that is none of its tokens
    assert "Answer" not in text
    assert "think>" not in text


@ENDPOINTS
def test_thinking_that_ends_before_the_maximum_is_answered(client: httpx.Client, path: str) -> None:
    reason, report, text = ended(client, path, False, {"max_tokens": 250})
    assert reason in ("stop", "end_turn", "completed")
    assert report["end"] == "natural"
    assert "Final Answer:" in text


def test_waits_are_forced_and_the_maximum_is_not(client: httpx.Client) -> None:
    _, report, text = ended(client, CHAT, False, {"max_tokens": 150, "num_waits": 500, "on_loop": "ignore"})
    assert (report["tokens"], report["end"]) == (150, "max_tokens")
    assert report["forced_tokens"] == report["waits_used"] > 0
    assert "Answer" not in text


def test_each_choice_ends_where_it_alone_would(client: httpx.Client) -> None:
    body = asked(CHAT, n=6, temperature=1.2, seed=3, max_tokens=600)
    whole = client.post(CHAT, json=body).json()["choices"]
    naturals = [choice["thinking"]["tokens"] for choice in whole]
    maximum = sorted(naturals)[3]
    budget = {"max_tokens": maximum, "on_max": "truncate"}
    cut = client.post(CHAT, json={**body, "thinking_budget": budget}).json()["choices"]
    assert [choice["thinking"]["tokens"] for choice in cut] == [min(each, maximum) for each in naturals]
    reasons = [choice["finish_reason"] for choice in cut]
    assert reasons == ["length" if each >= maximum else "stop" for each in naturals]
    assert set(reasons) == {"length", "stop"}


def test_request_that_ends_before_its_maximum_keeps_no_room_for_an_answer(client: httpx.Client) -> None:
    budget = {"max_tokens": 400, "min_tokens": 400, "on_max": "truncate"}
    (choice,) = client.post(CHAT, json=asked(CHAT, max_tokens=50, thinking_budget=budget)).json()["choices"]
    assert (choice["thinking"]["tokens"], choice["thinking"]["end"]) == (50, "length")
    assert choice["finish_reason"] == "length"
