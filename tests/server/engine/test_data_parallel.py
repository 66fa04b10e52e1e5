"""Two engines behind one server: budgets hold on both, counts are one, and a request is found on either."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.conftest import ServerProcess

CHAT = "/v1/chat/completions"
BUDGETS: list[dict[str, int]] = [{"max_tokens": 20}, {"min_tokens": 150}, {"num_waits": 2}, {"max_tokens": 0}]

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.fixture(scope="module")
def two_engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Each with eight rows."""
    flags = ["--data-parallel-size", "2", "--max-num-seqs", "8", "--kv-cache-memory-bytes", str(1 << 26)]
    process = ServerProcess(tmp_path_factory.mktemp("two") / "server.log", flags)
    process.wait_until_ready()
    yield process.url
    process.stop()


def body(at: int, **fields: Any) -> dict[str, Any]:
    """One of many questions."""
    question = f"Find the smallest prime factor of {391 + at}."
    return {"messages": [{"role": "user", "content": question}], "temperature": 1, **fields}


def counts(url: str) -> Counter[str]:
    """Of the counters that matter here, by name; of vLLM's also by engine."""
    found: Counter[str] = Counter()
    for line in httpx.get(f"{url}/metrics", timeout=30).text.splitlines():
        name, _, labels = line.partition("{")
        if name in ("s1_requests_total", "s1_thinking_tokens_total", "s1_answer_tokens_total"):
            found[name] += int(float(line.split()[-1]))
        if name == "vllm:generation_tokens_total":
            found[f"engine {labels[8]}"] += int(float(line.split()[-1]))
    return found


async def test_budgets_hold_on_both_engines_and_the_metrics_are_their_sum(two_engines: str) -> None:
    before = counts(two_engines)
    async with httpx.AsyncClient(base_url=two_engines, timeout=240) as client:
        asked = [body(at, thinking_budget=BUDGETS[at % 4], n=1 + at % 2) for at in range(24)]
        got = await asyncio.gather(*(client.post(CHAT, json=each) for each in asked))
    thought = written = 0
    for at, response in enumerate(got):
        assert response.status_code == 200, response.text
        budget = BUDGETS[at % 4]
        written += response.json()["usage"]["completion_tokens"]
        for choice in response.json()["choices"]:
            report = choice["thinking"]
            thought += report["tokens"]
            assert report["tokens"] <= budget.get("max_tokens", 1 << 20)
            assert report["tokens"] >= budget.get("min_tokens", 0) or report["end"] == "context"
    counted = counts(two_engines) - before
    assert min(counted["engine 0"], counted["engine 1"]) > 0
    assert counted["engine 0"] + counted["engine 1"] == written
    assert counted["s1_requests_total"] == 36
    assert counted["s1_thinking_tokens_total"] == thought
    assert counted["s1_answer_tokens_total"] == written - thought


async def test_thinking_is_ended_on_request_whichever_engine_has_it(two_engines: str) -> None:
    before = counts(two_engines)
    async with httpx.AsyncClient(base_url=two_engines, timeout=240) as client:
        ends = await asyncio.gather(*(_ended(client, at) for at in range(6)))
    assert ends == [["requested"] * 2] * 6
    counted = counts(two_engines) - before
    assert min(counted["engine 0"], counted["engine 1"]) > 0


async def _ended(client: httpx.AsyncClient, at: int) -> list[str]:
    """Why the thinking of a request's choices ended that was told to at its first token."""
    ends: list[str] = []
    asked = body(at, thinking_budget={"min_tokens": 1800}, n=2, stream=True)
    async with client.stream("POST", CHAT, json=asked) as response:
        is_told = False
        async for line in response.aiter_lines():
            if not line.startswith("data: {"):
                continue
            event = json.loads(line[6:])
            if not is_told:
                action = {"id": event["id"], "action": "end_thinking"}
                is_told = (await client.post(f"{CHAT}/control", json=action)).json()["success"]
                assert is_told
            ends += [choice["thinking"]["end"] for choice in event["choices"] if choice["finish_reason"]]
    return ends
