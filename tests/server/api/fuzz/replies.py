"""Whether a reply is one that a client can read: no 5xx, outside or inside a stream, and none torn."""

import json
from typing import Any

import httpx

from tests.server.api.every_endpoint import MESSAGES, RESPONSES, events

LAST = {
    RESPONSES: {"response.completed", "response.incomplete", "response.failed", "error"},
    MESSAGES: {"message_stop", "error"},
}


def fault(path: str, response: httpx.Response) -> str | None:
    """What is wrong with a reply; None: nothing."""
    if response.status_code >= 500:
        return f"{response.status_code}: {response.text[:500]}"
    if response.headers.get("content-type", "").startswith("text/event-stream"):
        return _fault_of_stream(path, response)
    if "json" not in response.headers.get("content-type", "") or not response.content:
        return None
    try:
        body = response.json()
    except ValueError:
        return f"no JSON: {response.text[:200]!r}"
    if response.status_code >= 400 and not _message(body):
        return f"an error without a message: {response.text[:200]}"
    return None


def _fault_of_stream(path: str, response: httpx.Response) -> str | None:
    try:
        said = events(response)
    except json.JSONDecodeError:
        return f"an event that is no JSON: {response.text[-300:]!r}"
    inner = next((error for error in map(_error, said) if error), None)
    if inner is not None:
        return f"inside the stream: {inner}"
    kinds = LAST.get(path)
    if kinds is None:
        return None if response.text.rstrip().endswith("data: [DONE]") else f"torn: {response.text[-200:]!r}"
    return None if said and said[-1].get("type") in kinds else f"torn: {response.text[-200:]!r}"


def _error(event: dict[str, Any]) -> str | None:
    """An error inside a stream that blames the server."""
    error = event if event.get("type") == "error" and "code" in event else event.get("error")
    if not isinstance(error, dict):
        return None
    blamed = {error.get("type"), error.get("code")} & {"InternalServerError", "api_error", 500, 501, 502}
    return json.dumps(error)[:400] if blamed else None


def _message(body: Any) -> Any:
    error = body.get("error") if isinstance(body, dict) else None
    return error.get("message") if isinstance(error, dict) else None
