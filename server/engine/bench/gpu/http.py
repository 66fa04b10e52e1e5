"""Stage: `s1-serve` against stock `vllm serve` on one model, over HTTP: many streams at once.

Of each: tokens a second, time to the first token, and how much the API process computes for a token. Ours
once more with a budget on each request.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp

from server.engine.bench.gpu.cost import flags_of
from server.engine.bench.gpu.result import ResultFile
from server.engine.bench.gpu.servers import OURS, STOCK, Server, starting

QUESTION = "Find the smallest prime factor of 391."


@dataclass(frozen=True, slots=True)
class HttpSize:
    """`streams` at once, of so many tokens each; so many rounds on each server, in turn."""

    streams: int
    tokens: int
    rounds: int


WHOLE = HttpSize(streams=256, tokens=256, rounds=3)
REDUCED = HttpSize(streams=8, tokens=24, rounds=2)


@dataclass(frozen=True, slots=True)
class Streamed:
    """Of one request: seconds to its first token, and its tokens."""

    first_s: float
    tokens: int


async def stream(session: aiohttp.ClientSession, url: str, body: Mapping[str, Any]) -> Streamed:
    """Ask for one stream and read it to its end.

    Raises:
        RuntimeError: the server sent an error, or no usage.
    """
    began, first_s, tokens = time.perf_counter(), 0.0, 0
    async with session.post(f"{url}/v1/chat/completions", json=body) as response:
        if response.status != 200:
            raise RuntimeError(f"{response.status}: {await response.text()}")
        async for line in response.content:
            if not line.startswith(b"data: {"):
                continue
            first_s = first_s or time.perf_counter() - began
            event = json.loads(line[6:])
            if "error" in event:
                raise RuntimeError(str(event["error"]))
            if usage := event.get("usage"):
                tokens = usage["completion_tokens"]
    if not tokens:
        raise RuntimeError("the stream ended without its usage")
    return Streamed(first_s, tokens)


async def one_round(server: Server, size: HttpSize, extra: Mapping[str, Any]) -> dict[str, float]:
    """All streams at once."""
    body = {
        "model": "bench",
        "messages": [{"role": "user", "content": QUESTION}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_completion_tokens": size.tokens,
        "ignore_eos": True,
        "temperature": 1.0,
        **extra,
    }
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        computed, began = server.cpu_seconds(), time.perf_counter()
        streamed = await asyncio.gather(*(stream(session, server.url, body) for _ in range(size.streams)))
        seconds, computed = time.perf_counter() - began, server.cpu_seconds() - computed
    tokens = sum(each.tokens for each in streamed)
    firsts = sorted(each.first_s for each in streamed)
    return {
        "tokens": tokens,
        "tokens_per_s": round(tokens / seconds, 1),
        "first_token_median_s": round(median(firsts), 4),
        "first_token_p99_s": round(firsts[int(len(firsts) * 0.99)], 4),
        "api_cpu_us_per_token": round(1e6 * computed / tokens, 2),
    }


async def rounds(result: ResultFile, ours: Server, stock: Server, size: HttpSize) -> None:
    """In turn; the first round of each warms up and does not count."""
    sides: list[tuple[str, Server, Mapping[str, Any]]] = [
        ("stock", stock, {}),
        ("ours", ours, {}),
        ("ours with a budget", ours, {"thinking_budget": {"max_tokens": size.tokens // 2, "num_waits": 2}}),
    ]
    for at in range(size.rounds + 1):
        for name, server, extra in sides if at % 2 else sides[::-1]:
            told = await one_round(server, size, extra)
            if at:
                result.append("rounds", {"side": name, **told})
    measured = result.fields["rounds"]
    medians = {
        name: {
            key: median(each[key] for each in measured if each["side"] == name)
            for key in measured[0]
            if key != "side"
        }
        for name, _, _ in sides
    }
    result.add(medians=medians)


def main() -> None:
    """The stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", choices=("qwen3-8b", "s1-nano"), default="qwen3-8b")
    parser.add_argument("--reduced", action="store_true")
    given = parser.parse_args()
    result, size = ResultFile(given.out), REDUCED if given.reduced else WHOLE
    flags, tokenizer = flags_of(given.model, given.reduced)
    flags += ["--served-model-name", "bench"]
    result.add(model=given.model, tokenizer=tokenizer, streams=size.streams, flags=flags)
    with (
        starting(STOCK, flags) as wait_for_stock,
        starting(OURS, [*flags, "--family", "think"]) as wait_for_ours,
    ):
        ours, stock = wait_for_ours(), wait_for_stock()
        result.add(ready_s={"ours": ours.ready_s, "stock": stock.ready_s})
        asyncio.run(rounds(result, ours, stock, size))


if __name__ == "__main__":
    main()
