"""What wrong input gets, and what happens when a client or the engine goes away."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import ServerProcess

CHAT = "/v1/chat/completions"


def body(**changes: Any) -> dict[str, Any]:
    """A good request, changed."""
    good = {
        "model": "s1-nano",
        "messages": [{"role": "user", "content": "Find the smallest prime factor of 391."}],
    }
    return {**good, **changes}


@pytest.mark.parametrize(
    ("budget", "field"),
    [
        ({"thinking_budget": {"max_tokens": 5, "min_tokens": 9}}, "thinking_budget.min_tokens"),
        ({"thinking_budget": {"max_token": 5}}, "thinking_budget.max_token"),
        ({"thinking_budget": "long"}, "thinking_budget"),
        ({"thinking_budget": True}, "thinking_budget"),
        ({"thinking_budget": {"num_waits": -1}}, "thinking_budget.num_waits"),
        ({"thinking_budget": {"nudge": "</think>", "num_waits": 1}}, "thinking_budget.nudge"),
        (
            {"thinking_budget": {"answer_reserve_tokens": 900}, "max_tokens": 300},
            "thinking_budget.answer_reserve_tokens",
        ),
        ({"vllm_xargs": {"s1_plan": {}}}, "vllm_xargs.s1_plan"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_budget_is_a_400_that_names_the_field(
    server_url: str, budget: dict[str, Any], field: str
) -> None:
    response = httpx.post(server_url + CHAT, json=body(**budget))
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert field in (error["param"] or "")
    assert error["message"]


def test_spellings_that_disagree_are_both_named(server_url: str) -> None:
    response = httpx.post(server_url + CHAT, json=body(thinking_budget=5, thinking_token_budget=6))
    assert response.status_code == 400
    message = response.json()["error"]["message"]
    assert "thinking_budget" in message
    assert "thinking_token_budget" in message


def test_wrong_budget_in_anthropics_envelope(server_url: str) -> None:
    response = httpx.post(f"{server_url}/v1/messages", json={**body(max_tokens=9), "thinking_budget": -7})
    assert response.status_code == 400
    assert response.json()["type"] == "error"


@pytest.mark.parametrize("raw", [b"{", b"\xff\xfe", b"[1]", b"null", b"1" * 5000, b"[" * 100_000])
def test_malformed_json_is_a_client_error(server_url: str, raw: bytes) -> None:
    response = httpx.post(server_url + CHAT, content=raw, headers={"content-type": "application/json"})
    assert 400 <= response.status_code < 500
    assert response.json()["error"]["message"]


def test_model_that_is_not_there_is_a_404(server_url: str) -> None:
    response = httpx.post(server_url + CHAT, json=body(model="gpt-9:think=5"))
    assert response.status_code == 404
    assert "gpt-9" in response.json()["error"]["message"]


def test_prompt_longer_than_the_context_is_a_400(server_url: str) -> None:
    response = httpx.post(
        server_url + CHAT, json=body(messages=[{"role": "user", "content": "17 " * 20_000}])
    )
    assert response.status_code == 400
    assert "context length" in response.json()["error"]["message"]


async def test_200_connections_at_once_are_all_answered(server_url: str) -> None:
    limits = httpx.Limits(max_connections=200)
    async with httpx.AsyncClient(limits=limits, timeout=120) as client:
        responses = await asyncio.gather(
            *(client.post(server_url + CHAT, json=body(thinking_budget=20 + i % 7)) for i in range(200))
        )
    assert {response.status_code for response in responses} == {200}
    for i, response in enumerate(responses):
        report = response.json()["choices"][0]["thinking"]
        assert report["max_tokens"] == 20 + i % 7
        assert report["tokens"] <= report["max_tokens"]


def _running(url: str) -> float:
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("vllm:num_requests_running{"))


def _eventually(condition: Any, seconds: float = 300.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("stream", [True, False])
def test_request_of_a_client_that_goes_away_is_aborted(server_url: str, stream: bool) -> None:
    endless = body(thinking_budget={"min_tokens": 900}, stream=stream, n=4)
    if stream:
        with httpx.stream("POST", server_url + CHAT, json=endless, timeout=300) as response:
            next(response.iter_lines())
    else:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(server_url + CHAT, json=endless, timeout=0.3)
    assert _eventually(lambda: _running(server_url) == 0)
    assert httpx.post(server_url + CHAT, json=body(thinking_budget=5), timeout=300).status_code == 200


@pytest.fixture(scope="module")
def doomed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of its own: it serves the same model as one of no known family, and its engine is killed."""
    process = ServerProcess(tmp_path_factory.mktemp("doomed") / "server.log", ["--family", "none"])
    process.wait_until_ready()
    yield process
    if process.process.poll() is None:
        process.process.kill()
        process.process.wait()


@pytest.mark.engine
def test_unknown_family_is_served_and_refuses_a_budget(doomed: ServerProcess) -> None:
    served = httpx.post(doomed.url + CHAT, json=body(max_tokens=20), timeout=300)
    assert served.status_code == 200
    assert "thinking" not in served.json()["choices"][0]
    refused = httpx.post(doomed.url + CHAT, json=body(thinking_budget=20))
    assert refused.status_code == 400
    assert "--family" in refused.json()["error"]["message"]


@pytest.mark.engine
@pytest.mark.parametrize(
    "method", [{"method": "majority", "n": 3}, {"method": "best_of_n", "n": 3, "scorer": "likelihood"}]
)
def test_samples_of_an_unknown_family_are_drawn_where_no_budget_is_asked_for(
    doomed: ServerProcess, method: dict[str, Any]
) -> None:
    whole = httpx.post(doomed.url + CHAT, json=body(scaling=method, temperature=1), timeout=300)
    assert whole.status_code == 200, whole.text
    assert len(whole.json()["scaling"]["samples"]) == 3
    total = body(scaling={**method, "total_tokens": 90}, temperature=1)
    assert httpx.post(doomed.url + CHAT, json=total, timeout=300).status_code == 400


@pytest.mark.engine
def test_engine_that_dies_ends_the_server_non_zero(doomed: ServerProcess) -> None:
    (engine,) = _children(doomed.process.pid)
    os.kill(engine, signal.SIGKILL)

    def unwell() -> bool:
        try:
            return httpx.get(f"{doomed.url}/health").status_code == 503
        except httpx.TransportError:
            return doomed.process.poll() is not None

    assert _eventually(unwell)
    try:
        failed = httpx.post(doomed.url + CHAT, json=body(max_tokens=20), timeout=300)
        assert failed.status_code >= 500
        assert failed.json()["error"]["message"]
    except httpx.TransportError:
        assert _eventually(lambda: doomed.process.poll() is not None)
    assert doomed.process.wait(timeout=300) != 0


def _children(pid: int) -> list[int]:
    """The engine core's process (and not multiprocessing's resource tracker)."""
    tasks = Path(f"/proc/{pid}/task")
    found = {int(child) for task in tasks.iterdir() for child in (task / "children").read_text().split()}
    return [
        child for child in found if b"resource_tracker" not in Path(f"/proc/{child}/cmdline").read_bytes()
    ]
