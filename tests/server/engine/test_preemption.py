"""Requests that the real engine preempts, for want of cache, and takes up again: the same as alone."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from server.reasoning.nano.problems import problems
from tests.conftest import ServerProcess
from tests.runners import RUNNERS, environment_of

pytestmark = pytest.mark.engine

# In float32 a token's logits do not depend on whether it was computed in a prefill or one by one.
FLAGS = ["--dtype", "float32", "--max-model-len", "512", "--block-size", "32"]


@dataclass(frozen=True, slots=True)
class Size:
    """Of the cache, in bytes, and of what is asked: thinking tokens at most, and requests at once."""

    cache: int
    tokens: int
    requests: int
    alone: int
    preemptions: int


# Where the kernels are interpreted a step takes a hundred times as long.
SIZES = {"V1": Size(24 << 20, 300, 48, 6, 10), "V2": Size(5 << 20, 60, 12, 2, 3)}


@pytest.fixture(scope="module", params=RUNNERS)
def cramped(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ServerProcess, Size]]:
    """A server whose cache holds far fewer tokens than the requests that it admits."""
    size = SIZES[request.param]
    flags = [*FLAGS, "--kv-cache-memory-bytes", str(size.cache)]
    log = tmp_path_factory.mktemp("cramped") / "server.log"
    process = ServerProcess(log, flags, environment_of(request.param))
    process.wait_until_ready()
    assert f"runner   vLLM's {request.param} model runner" in process.log.read_text()
    yield process, size
    process.stop()


def _preemptions(url: str) -> float:
    lines = httpx.get(f"{url}/metrics", timeout=30).text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("vllm:num_preemptions_total"))


async def _ask_all(url: str, size: Size, at_once: int) -> list[dict[str, Any]]:
    gate = asyncio.Semaphore(at_once)
    async with httpx.AsyncClient(
        base_url=url, timeout=280, limits=httpx.Limits(max_connections=200)
    ) as client:

        async def ask(seed: int, question: str) -> dict[str, Any]:
            body = {
                "model": "s1-nano",
                "messages": [{"role": "user", "content": question}],
                "thinking_budget": {
                    "max_tokens": size.tokens,
                    "num_waits": 3,
                    "min_tokens": size.tokens * 2 // 3,
                },
                "max_completion_tokens": size.tokens + 100,
                "seed": seed,
                "temperature": float(seed % 2),
            }
            async with gate:
                response = await client.post("/v1/chat/completions", json=body)
            response.raise_for_status()
            choice: dict[str, Any] = response.json()["choices"][0]
            return {"message": choice["message"], "thinking": choice["thinking"]}

        asked = enumerate(problems("dev", size.requests, seed=21))
        return await asyncio.gather(*(ask(seed, problem.question) for seed, problem in asked))


async def test_preempted_requests_give_what_they_give_alone(cramped: tuple[ServerProcess, Size]) -> None:
    server, size = cramped
    alone = await _ask_all(server.url, size, at_once=size.alone)
    assert _preemptions(server.url) == 0
    crowded = await _ask_all(server.url, size, at_once=size.requests)
    assert _preemptions(server.url) > size.preemptions
    assert crowded == alone
