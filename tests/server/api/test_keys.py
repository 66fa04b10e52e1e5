"""API keys at the real server: who gets in, and what is theirs alone."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.conftest import ServerProcess

CHAT = "/v1/chat/completions"
FIRST, SECOND = "sk-first-7f3a", "sk-second-91bc"
BODY: dict[str, Any] = {
    "model": "s1-nano",
    "messages": [{"role": "user", "content": "Find the smallest prime factor of 391."}],
    "thinking_budget": 5,
}


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that asks for a key."""
    log = tmp_path_factory.mktemp("keyed") / "server.log"
    process = ServerProcess(log, ["--api-key", FIRST, SECOND])
    process.wait_until_ready()
    yield process
    process.stop()


def bearer(key: str) -> dict[str, str]:
    """OpenAI's way to send a key."""
    return {"Authorization": f"Bearer {key}"}


@pytest.mark.parametrize(
    "headers",
    [bearer(FIRST), bearer(SECOND), {"x-api-key": FIRST}, {"authorization": f"bearer {FIRST}"}],
)
def test_key_is_taken_from_either_header(keyed: ServerProcess, headers: dict[str, str]) -> None:
    assert httpx.post(keyed.url + CHAT, json=BODY, headers=headers, timeout=60).status_code == 200


@pytest.mark.parametrize(
    "headers", [{}, bearer("sk-wrong"), {"x-api-key": "sk-wrong"}, {"Authorization": FIRST}]
)
@pytest.mark.parametrize(
    "path", [CHAT, "/v1/messages", "/invocations", "/tokenize", "/inference/v1/generate"]
)
def test_without_a_good_key_nothing_is_generated(
    keyed: ServerProcess, path: str, headers: dict[str, str]
) -> None:
    refused = httpx.post(keyed.url + path, json=BODY, headers=headers)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    error = refused.json()["error"]
    assert error["type"] == ("authentication_error" if path == "/v1/messages" else "AuthenticationError")


@pytest.mark.parametrize("path", ["/health", "/metrics", "/", "/page/page.js"])
def test_probes_prometheus_and_the_page_need_none(keyed: ServerProcess, path: str) -> None:
    assert httpx.get(keyed.url + path).status_code == 200


def test_only_its_own_key_ends_a_requests_thinking(keyed: ServerProcess) -> None:
    body = {**BODY, "thinking_budget": {"min_tokens": 900}, "stream": True}
    with httpx.stream("POST", keyed.url + CHAT, json=body, headers=bearer(FIRST), timeout=60) as response:
        lines = (line for line in response.iter_lines() if line.startswith("data: {"))
        action = {"id": json.loads(next(lines)[6:])["id"], "action": "end_thinking"}
        said = [
            httpx.post(f"{keyed.url}{CHAT}/control", json=action, headers=bearer(key), timeout=30).json()
            for key in (SECOND, FIRST)
        ]
        (*_, last) = lines
    assert [answer["success"] for answer in said] == [False, True]
    assert said[0]["message"] == "no active completion for this id"
    assert json.loads(last[6:])["choices"][0]["thinking"]["end"] == "requested"


def test_no_key_is_logged(keyed: ServerProcess) -> None:
    said = keyed.log.read_text()
    assert FIRST not in said
    assert SECOND not in said
