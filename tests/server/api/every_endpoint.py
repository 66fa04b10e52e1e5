"""The same question on every endpoint, and what comes back."""

import json
from typing import Any

import httpx
import pytest

QUESTION = "Find the smallest prime factor of 391."
USER = {"role": "user", "content": QUESTION}
CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
RESPONSES, MESSAGES, COUNT = "/v1/responses", "/v1/messages", "/v1/messages/count_tokens"
ASKED: dict[str, dict[str, Any]] = {
    CHAT: {"messages": [USER], "max_tokens": 60},
    COMPLETIONS: {"prompt": QUESTION, "max_tokens": 60},
    RESPONSES: {"input": QUESTION, "max_output_tokens": 60},
    MESSAGES: {"messages": [USER], "max_tokens": 60},
}
ENDPOINTS = pytest.mark.parametrize("path", ASKED)
STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


def asked(path: str, **more: Any) -> dict[str, Any]:
    return {"model": "s1-nano", "temperature": 0, **ASKED[path], **more}


def events(response: httpx.Response) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def param_of(response: httpx.Response) -> str:
    """The field at fault: Anthropic's envelope has it in its message only."""
    error = response.json()["error"]
    return str(error.get("param") or error["message"])
