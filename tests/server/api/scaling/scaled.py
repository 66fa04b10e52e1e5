"""Requests to the real server with and without `scaling`."""

import json
from typing import Any

import httpx

CHAT = "/v1/chat/completions"
QUESTION = [{"role": "user", "content": "Find the smallest prime factor of 391."}]
HARD = [{"role": "user", "content": "Find the smallest x with x mod 11 = 6 and x mod 28 = 25."}]


def ask(url: str, scaling: dict[str, Any], status: int = 200, **changes: Any) -> dict[str, Any]:
    body = {"model": "s1-nano", "messages": QUESTION, "seed": 1, "scaling": scaling, **changes}
    response = httpx.post(url + CHAT, json=body, timeout=120)
    assert response.status_code == status, response.text
    parsed: dict[str, Any] = response.json()
    return parsed


def plain(url: str, seed: int, **changes: Any) -> dict[str, Any]:
    body = {"model": "s1-nano", "messages": QUESTION, "seed": seed, **changes}
    response = httpx.post(url + CHAT, json=body, timeout=120)
    assert response.status_code == 200, response.text
    parsed: dict[str, Any] = response.json()
    return parsed


def events(url: str, scaling: dict[str, Any], **changes: Any) -> list[dict[str, Any]]:
    body = {
        "model": "s1-nano",
        "messages": QUESTION,
        "seed": 1,
        "scaling": scaling,
        "stream": True,
        **changes,
    }
    with httpx.stream("POST", url + CHAT, json=body, timeout=120) as response:
        assert response.status_code == 200, response.read()
        lines = [line for line in response.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
