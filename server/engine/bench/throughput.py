"""What budgets cost at batch 64: tokens/s of three arms on s1-nano, and how many tokens a step brings.

bare: the engine without budgets. free: with them, and no request asks for one. forced: every row waits at
each end that it samples and never closes. Runs several rounds, the arms in a turning order, and prints each
round's speeds, then the medians of free / bare and forced / bare: `make bench`. With --speculation the
prompt quotes itself and sampling is greedy, so that drafts are taken. --as-text puts two arms more into each
round, free and forced, of an engine that follows the same marks as ordinary text, which costs what their
ratios say: the model writes the same with both.
The model runner is vLLM's choice: see VLLM_USE_V2_MODEL_RUNNER.
"""

import argparse
import asyncio
import json
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from itertools import count
from math import comb
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
FREE_TEXT, FORCED_TEXT = "free, text", "forced, text"
THINK = FAMILIES["think"]
AS_TEXT = replace(THINK, also_end=("</thought>",))
"""A mark of two spellings is found in the text, though the vocabulary has a token for it."""
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
    options.add_argument("--as-text", action="store_true", help="marks as text in the same rounds, too")
    given = options.parse_args()
    flags = ["--model", str(EMBEDDED_MODEL_PATH), "--enforce-eager", "--max-num-seqs", str(given.batch)]
    flags += ["--kv-cache-memory-bytes", str(1 << 30), "--dtype", given.dtype]
    if given.speculation:
        flags += ["--speculative-config", given.speculation]
    prompt = f"{QUESTION}{THINK.start}\n" + QUOTED * (3 if given.speculation else 0)
    load = Load(given.batch, given.tokens, prompt, bool(given.speculation))
    rounds = []
    async with AsyncExitStack() as engines:
        bare = await engines.enter_async_context(running(flags, is_bare=True))
        ours = await engines.enter_async_context(running(flags))
        arms = {BARE: (bare, BARE), FREE: (ours, FREE), FORCED: (ours, FORCED)}
        timed = {"adapter": ours}
        if given.as_text:
            text = await engines.enter_async_context(running(flags, family=AS_TEXT))
            arms |= {FREE_TEXT: (text, FREE), FORCED_TEXT: (text, FORCED)}
            timed["adapter, text"] = text
        for engine in (bare, *timed.values()):
            await engine.collective_rpc("s1_count_steps")
        for engine in timed.values():
            await engine.collective_rpc("s1_time_steps")
        for engine, arm in arms.values():
            await run(engine, arm, replace(load, tokens=32))
        for engine in timed.values():
            await engine.collective_rpc("s1_step_times")
        names = list(arms)
        for number in range(given.rounds):
            turned = number % len(names)
            speeds = {name: await run(*arms[name], load) for name in names[turned:] + names[:turned]}
            rounds.append(speeds)
            print(json.dumps({name: round(speeds[name].tokens_per_s) for name in names}), flush=True)
        times = {name: (await engine.collective_rpc("s1_step_times"))[0] for name, engine in timed.items()}
        operations = await operations_of(ours, load)
    print(
        json.dumps(
            {
                **summary(rounds),
                **(ratios_of_text(rounds) if given.as_text else {}),
                "runner": ours.runner,
                "batch": load.batch,
                **times,
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


def ratios_of_text(rounds: list[dict[str, Speed]]) -> dict[str, list[float]]:
    """Tokens a second, marks as text to marks as tokens: the median, and what holds it at 95%."""
    found = {}
    for text, tokens in ((FREE_TEXT, FREE), (FORCED_TEXT, FORCED)):
        ratios = sorted(each[text].tokens_per_s / each[tokens].tokens_per_s for each in rounds)
        inner = _rank(len(ratios))
        told = (median(ratios), ratios[inner], ratios[-1 - inner])
        found[f"{text} / {tokens}"] = [round(each, 3) for each in told]
    return found


def _rank(count: int) -> int:
    """How many of the least, and of the most, may be left out: the sign test's interval of a median."""
    left, share = 0, 0.0
    while True:
        share += comb(count, left) / 2**count
        if share > 0.025:
            return max(0, left - 1) if left else 0
        left += 1


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
