"""Stage: what forcing costs: forced against plain tokens a second, and the time that a step's own work takes.

Two engines of one model, one with budgets and one bare, run in turn. On the forced side every request has a
budget that has work to do: half of them wait at each end that they sample, half close somewhere along the
way, each at its own place, and answer. Flags after the stage's own go to both engines.
"""

import argparse
import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import torch
from vllm.inputs import TokensPrompt
from vllm.sampling_params import RequestOutputKind, SamplingParams
from vllm.v1.engine.async_llm import AsyncLLM

from server.budget.budget import ThinkingBudget
from server.engine.bench.gpu.engines import describe, not_here, running
from server.engine.bench.gpu.result import ResultFile
from server.engine.bench.gpu.shapes import QWEN3_8B, REDUCED, make_shape
from server.engine.bench.throughput import QUESTION
from server.engine.client.call import CALL, Call
from server.engine.client.engine import ThinkingLLM
from server.environment import set_engine_environment
from server.settings import EMBEDDED_MODEL_PATH

_names = count()


@dataclass(frozen=True, slots=True)
class CostSize:
    """`tokens` a request, in the batches of these sizes; so many pairs of runs."""

    batches: tuple[int, ...]
    tokens: int
    pairs: int


WHOLE = CostSize(batches=(256, 64, 1), tokens=160, pairs=3)
SMALL = CostSize(batches=(8, 1), tokens=32, pairs=2)


def flags_of(model: str, is_reduced: bool) -> tuple[list[str], str]:
    """The engine's, and whose tokenizer it has."""
    if model == "s1-nano":
        flags, owner = ["--model", str(EMBEDDED_MODEL_PATH)], "s1-nano"
    else:
        shape = make_shape(*(("reduced", REDUCED) if is_reduced else ("qwen3-8b", QWEN3_8B)))
        flags, owner = ["--model", str(shape.folder), "--load-format", "dummy"], shape.tokenizer
    # Both engines are on one device; without a profile run they are up sooner.
    flags += ["--kv-cache-memory-bytes", str((1 << 28) if is_reduced else (16 << 30))]
    flags += ["--max-num-seqs", "256", "--max-model-len", "1024"]
    if torch.cuda.is_available():
        # Half of the card each is what either may find free when it starts.
        flags += ["--gpu-memory-utilization", "0.45"]
        return [*flags, "--cudagraph-capture-sizes", "1", "64", "256"], owner
    return [*flags, "--enforce-eager"], owner


def budgets(batch: int, tokens: int) -> list[ThinkingBudget]:
    """One a request: waits at every end, or a close at a place of its own."""
    chance = Random(0)
    closes = [chance.randrange(tokens // 8, tokens - 8) for _ in range(batch)]
    return [
        ThinkingBudget(min_tokens=tokens, answer_reserve_tokens=0, end_message="")
        if at % 2
        else ThinkingBudget(max_tokens=close, answer_reserve_tokens=4)
        for at, close in enumerate(closes)
    ]


async def tokens_per_second(engine: ThinkingLLM, batch: int, tokens: int, is_forced: bool) -> float:
    """Of one full batch."""
    ids: list[int] = engine.renderer.tokenizer.encode(QUESTION, add_special_tokens=False)

    async def one(budget: ThinkingBudget) -> int:
        params = SamplingParams(
            max_tokens=tokens,
            temperature=1.0,
            ignore_eos=True,
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        prompt: Any = TokensPrompt(prompt_token_ids=ids)
        CALL.set(Call(budget=budget, asked=True))  # of this task alone
        generate = engine.generate if is_forced else AsyncLLM.generate.__get__(engine)
        (output,) = [output async for output in generate(prompt, params, f"cost-{next(_names)}")]
        return len(output.outputs[0].token_ids)

    began = time.perf_counter()
    made = sum(await asyncio.gather(*(one(each) for each in budgets(batch, tokens))))
    return made / (time.perf_counter() - began)


async def pairs(plain: ThinkingLLM, ours: ThinkingLLM, batch: int, size: CostSize) -> dict[str, Any]:
    """Tokens a second of paired runs, the first of a pair alternating, and the time of the processor."""
    for engine in (plain, ours):
        await tokens_per_second(engine, batch, 16, engine is ours)
    await ours.collective_rpc("s1_step_times")
    told = []
    for pair in range(size.pairs):
        speed = {}
        for engine in (plain, ours) if pair % 2 else (ours, plain):
            speed["forced" if engine is ours else "plain"] = await tokens_per_second(
                engine, batch, size.tokens, engine is ours
            )
        told.append(
            {
                **{name: round(each, 1) for name, each in speed.items()},
                "ratio": speed["forced"] / speed["plain"],
            }
        )
    (times,) = await ours.collective_rpc("s1_step_times")
    return {
        "batch": batch,
        "tokens": size.tokens,
        "pairs": told,
        "median_ratio": round(median(each["ratio"] for each in told), 4),
        "forced_step_ms": round(1e3 * batch / median(each["forced"] for each in told), 3),
        "processor": times,
    }


async def stage(result: ResultFile, model: str, is_reduced: bool, more: Sequence[str] = ()) -> None:
    """Both engines up at once, then batch by batch. `more`: flags of both."""
    flags, tokenizer = flags_of(model, is_reduced)
    flags += more
    result.add(model=model, tokenizer=tokenizer, flags=flags)
    size = SMALL if is_reduced else WHOLE
    async with running(flags, is_bare=True) as plain, running(flags) as ours:
        result.add(plain=await describe(plain), forced=await describe(ours))
        await ours.collective_rpc("s1_time_steps")
        for batch in size.batches:
            result.append("batches", await pairs(plain, ours, batch, size))


def main(arguments: Sequence[str] | None = None) -> None:
    """One stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", choices=("qwen3-8b", "s1-nano"), required=True)
    parser.add_argument("--reduced", action="store_true")
    given, more = parser.parse_known_args(arguments)
    set_engine_environment()
    result = ResultFile(given.out)
    if why := not_here(more):
        result.add(skipped=why)
        return
    asyncio.run(stage(result, given.model, given.reduced, more))


if __name__ == "__main__":
    main()
