"""What budgets cost at batch 64: tokens/s of three arms on s1-nano, and how many tokens a step brings.

bare: the engine without budgets. free: with them, and no request asks for one. forced: every row waits at
each end that it samples and never closes. Runs several rounds, the arms in a turning order, and prints each
round's speeds, then the medians of free / bare and forced / bare: `make bench`. With --speculation the
prompt quotes itself and sampling is greedy, so that drafts are taken. With --family the marks are another
family's; s1-nano's vocabulary lacks them, so they are text, and what matching it costs is in the ratios. The
model runner is vLLM's choice: see VLLM_USE_V2_MODEL_RUNNER.
"""

import argparse
import asyncio
import json
import time
from dataclasses import dataclass, replace
from itertools import count
from statistics import median
from typing import Any

from vllm.inputs import TokensPrompt
from vllm.sampling_params import RequestOutputKind, SamplingParams
from vllm.v1.engine.async_llm import AsyncLLM

from server.budget.budget import ThinkingBudget
from server.engine.bench.gpu.engines import running
from server.engine.client.call import CALL, Call
from server.engine.client.engine import ThinkingLLM
from server.environment import set_engine_environment
from server.reasoning.families import FAMILIES
from server.settings import EMBEDDED_MODEL_PATH

QUESTION = "<|im_start|>user\nFind the smallest prime factor of 391.<|im_end|>\n<|im_start|>assistant\n"
QUOTED = """2: 3>1, 19>1, 11>1 no
3: 3>0, 09>0, 01>1 no
None yet.
Wait, try 5.
5: 3>3, 39>4, 41>1 no
7: 3>3, 39>4, 41>6 no
None yet.
"""
"""Thinking of s1-nano's own that the prompt has already, three times: drafts come from it."""
BARE, FREE, FORCED = "bare", "free", "forced"
ARMS = (BARE, FREE, FORCED)
_names = count()


@dataclass(frozen=True, slots=True)
class Load:
    """So many requests at once, of so many tokens each, after this prompt; `drafts`: what is said repeats."""

    batch: int
    tokens: int
    prompt: str
    drafts: bool


@dataclass(frozen=True, slots=True)
class Speed:
    """Over one full batch. A step without speculation brings a token for each row that is not done."""

    tokens_per_s: float
    tokens_per_step: float


async def main() -> None:
    """Print one line a round, then the medians."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=9)
    options.add_argument("--tokens", type=int, default=384, help="of each request")
    options.add_argument("--batch", type=int, default=64, help="requests at once")
    options.add_argument("--speculation", help="--speculative-config of both engines, in JSON")
    options.add_argument("--dtype", default="auto", help="of both engines")
    options.add_argument("--family", default="think", choices=FAMILIES, help="whose marks: %(choices)s")
    given = options.parse_args()
    flags = ["--model", str(EMBEDDED_MODEL_PATH), "--enforce-eager", "--max-num-seqs", str(given.batch)]
    flags += ["--kv-cache-memory-bytes", str(1 << 30), "--dtype", given.dtype]
    if given.speculation:
        flags += ["--speculative-config", given.speculation]
    family = FAMILIES[given.family]
    prompt = f"{QUESTION}{family.start}\n" + QUOTED * (3 if given.speculation else 0)
    load = Load(given.batch, given.tokens, prompt, bool(given.speculation))
    rounds = []
    async with running(flags, is_bare=True) as bare, running(flags, family=family) as ours:
        await ours.collective_rpc("s1_time_steps")
        for engine in (bare, ours):
            await engine.collective_rpc("s1_count_steps")
        for arm in ARMS:
            await run(bare if arm == BARE else ours, arm, replace(load, tokens=32))
        await ours.collective_rpc("s1_step_times")
        for number in range(given.rounds):
            order = ARMS[number % len(ARMS) :] + ARMS[: number % len(ARMS)]
            speeds = {arm: await run(bare if arm == BARE else ours, arm, load) for arm in order}
            rounds.append(speeds)
            print(json.dumps({arm: round(speeds[arm].tokens_per_s) for arm in ARMS}), flush=True)
        (times,) = await ours.collective_rpc("s1_step_times")
        operations = await operations_of(ours, load)
    print(
        json.dumps(
            {
                **summary(rounds),
                "runner": ours.runner,
                "family": given.family,
                "batch": load.batch,
                "adapter": times,
                "tensor operations a step": operations,
            }
        )
    )


def summary(rounds: list[dict[str, Speed]]) -> dict[str, float | dict[str, float]]:
    """The medians: of the ratios of tokens a second to bare's, and of each arm's tokens a step."""

    def ratio(arm: str) -> float:
        ratios = (each[arm].tokens_per_s / each[BARE].tokens_per_s for each in rounds)
        return round(median(ratios), 3)

    steps = {arm: round(median(each[arm].tokens_per_step for each in rounds), 2) for arm in ARMS}
    return {"free / bare": ratio(FREE), "forced / bare": ratio(FORCED), "tokens a step": steps}


async def operations_of(ours: ThinkingLLM, load: Load) -> dict[str, float]:
    """By arm: of the adapter, in the mean."""
    await ours.collective_rpc("s1_count_operations")
    told = {}
    for arm in (FREE, FORCED):
        (before,), steps = await ours.collective_rpc("s1_operations"), await _steps(ours)
        await run(ours, arm, replace(load, tokens=64))
        (after,) = await ours.collective_rpc("s1_operations")
        told[arm] = round((after - before) / (await _steps(ours) - steps), 2)
    return told


async def run(engine: ThinkingLLM, arm: str, load: Load) -> Speed:
    """One full batch of one arm."""
    ids: list[int] = engine.renderer.tokenizer.encode(load.prompt, add_special_tokens=False)
    budget = ThinkingBudget(min_tokens=load.tokens, answer_reserve_tokens=0, end_message="")
    generate: Any = AsyncLLM.generate.__get__(engine) if arm == BARE else engine.generate

    async def one() -> int:
        params = SamplingParams(
            max_tokens=load.tokens,
            temperature=0.0 if load.drafts else 1.0,
            ignore_eos=True,
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        CALL.set(Call(budget=budget, asked=True) if arm == FORCED else None)
        prompt: Any = TokensPrompt(prompt_token_ids=ids)
        (output,) = [output async for output in generate(prompt, params, f"bench-{next(_names)}")]
        return len(output.outputs[0].token_ids)

    before, start = await _steps(engine), time.perf_counter()
    made = sum(await asyncio.gather(*(one() for _ in range(load.batch))))
    seconds = time.perf_counter() - start
    return Speed(made / seconds, made / (await _steps(engine) - before))


async def _steps(engine: ThinkingLLM) -> int:
    (done,) = await engine.collective_rpc("s1_steps")
    return int(done)


if __name__ == "__main__":
    set_engine_environment()
    asyncio.run(main())
