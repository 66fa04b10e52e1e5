"""What forcing costs: tokens/s at batch 64, every row forced, against the same engine without a processor.

Runs several pairs, the first of a pair alternating, and prints the median ratio: `make bench`.
"""

import argparse
import asyncio
import json
import statistics
import time
from typing import Any

from vllm.inputs import TokensPrompt
from vllm.sampling_params import RequestOutputKind, SamplingParams
from vllm.v1.engine.async_llm import AsyncLLM

from server.budget.budget import ThinkingBudget
from server.engine.client.call import CALL, Call
from server.engine.client.engine import ThinkingLLM
from server.engine.launch.arguments import budget_flags, make_parser, parse
from server.engine.launch.lifetime import run_engine
from server.environment import set_engine_environment
from server.reasoning.families import FAMILIES
from server.settings import EMBEDDED_MODEL_PATH

FLAGS = ["--model", str(EMBEDDED_MODEL_PATH), "--enforce-eager", "--max-num-seqs", "64"]
FLAGS += ["--kv-cache-memory-bytes", str(1 << 30)]
QUESTION = (
    "<|im_start|>user\nFind the smallest prime factor of 391.<|im_end|>\n<|im_start|>assistant\n<think>\n"
)


async def main() -> None:
    """Print one line a pair, then the median."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--pairs", type=int, default=9)
    options.add_argument("--tokens", type=int, default=384)
    options.add_argument("--batch", type=int, default=64)
    given = options.parse_args()
    parser, family = make_parser("bench", default_model=""), FAMILIES["think"]
    bare = parse(parser, FLAGS)
    generation = parse(parser, [*FLAGS, *budget_flags(family, bare)])
    ratios = []
    async with run_engine(bare, None) as plain, run_engine(generation, family) as ours:
        for engine in (plain, ours):
            await run(engine, given.batch, 32)
        for pair in range(given.pairs):
            order = (plain, ours) if pair % 2 else (ours, plain)
            speed = {engine: await run(engine, given.batch, given.tokens) for engine in order}
            ratios.append(speed[ours] / speed[plain])
            print(
                json.dumps(
                    {
                        "plain": round(speed[plain]),
                        "forced": round(speed[ours]),
                        "ratio": round(ratios[-1], 3),
                    }
                )
            )
    print(json.dumps({"median_ratio": round(statistics.median(ratios), 3), "batch": given.batch}))


async def run(engine: ThinkingLLM, batch: int, tokens: int) -> float:
    """Tokens a second over one full batch. On our engine every row waits at each end and never closes."""
    ids: list[int] = engine.renderer.tokenizer.encode(QUESTION, add_special_tokens=False)
    budget = ThinkingBudget(min_tokens=tokens, answer_reserve_tokens=0, end_message="")
    if engine.family is not None:
        CALL.set(Call(budget=budget, asked=True))

    async def one(i: int) -> int:
        params = SamplingParams(
            max_tokens=tokens,
            temperature=1.0,
            seed=None,
            ignore_eos=True,
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        prompt: Any = TokensPrompt(prompt_token_ids=ids)
        name = f"bench-{time.monotonic_ns()}-{i}"
        generate = engine.generate if engine.family is not None else AsyncLLM.generate.__get__(engine)
        (output,) = [output async for output in generate(prompt, params, name)]
        return len(output.outputs[0].token_ids)

    start = time.perf_counter()
    total = sum(await asyncio.gather(*(one(i) for i in range(batch))))
    return total / (time.perf_counter() - start)


if __name__ == "__main__":
    set_engine_environment()
    asyncio.run(main())
