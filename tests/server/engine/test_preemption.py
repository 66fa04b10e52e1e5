"""Requests that the real engine preempts, for want of cache, and takes up again: the same as alone."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from server.reasoning.nano.problems import problems
from tests.conftest import ServerProcess

pytestmark = pytest.mark.engine

# In float32 a token's logits do not depend on whether it was computed in a prefill or one by one.
FLAGS = ["--dtype", "float32", "--max-model-len", "512", "--block-size", "32"]
FLAGS += ["--kv-cache-memory-bytes", str(24 << 20)]


@pytest.fixture(scope="module")
def cramped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server whose cache holds far fewer tokens than the requests that it admits."""
    process = ServerProcess(tmp_path_factory.mktemp("cramped") / "server.log", FLAGS)
    process.wait_until_ready()
    yield process
    process.stop()


def _preemptions(url: str) -> float:
    lines = httpx.get(f"{url}/metrics", timeout=30).text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("vllm:num_preemptions_total"))


async def _ask_all(url: str, at_once: int) -> list[dict[str, Any]]:
    gate = asyncio.Semaphore(at_once)
    async with httpx.AsyncClient(
        base_url=url, timeout=280, limits=httpx.Limits(max_connections=200)
    ) as client:

        async def ask(seed: int, question: str) -> dict[str, Any]:
            body = {
                "model": "s1-nano",
                "messages": [{"role": "user", "content": question}],
                "thinking_budget": {"max_tokens": 300, "num_waits": 3, "min_tokens": 200},
                "max_completion_tokens": 400,
                "seed": seed,
                "temperature": float(seed % 2),
            }
            async with gate:
                response = await client.post("/v1/chat/completions", json=body)
            response.raise_for_status()
            choice: dict[str, Any] = response.json()["choices"][0]
            return {"message": choice["message"], "thinking": choice["thinking"]}

        asked = enumerate(problems("dev", 48, seed=21))
        return await asyncio.gather(*(ask(seed, problem.question) for seed, problem in asked))


async def test_preempted_requests_give_what_they_give_alone(cramped: ServerProcess) -> None:
    alone = await _ask_all(cramped.url, at_once=6)
    assert _preemptions(cramped.url) == 0
    crowded = await _ask_all(cramped.url, at_once=48)
    assert _preemptions(cramped.url) > 10
    assert crowded == alone
