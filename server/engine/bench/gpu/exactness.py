"""Stage: forcing inside one engine against stop-and-resubmit on it, on s1-nano: tokens and forced records.

Greedy outputs are compared one by one: where two part, the model itself must not be able to tell (a tie), in
bfloat16. Sampled ones are compared as distributions. Flags after the stage's own go to the engine.
"""

import argparse
import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from server.budget.budget import ThinkingBudget
from server.engine.bench.gpu.engines import describe, not_here, preemptions, running
from server.engine.bench.gpu.result import ResultFile
from server.engine.bench.reference import Forced, Reference, chat, forced, p_value
from server.engine.client.engine import ThinkingLLM
from server.environment import set_engine_environment
from server.reasoning.nano.problems import problems
from server.settings import EMBEDDED_MODEL_PATH

ANSWER_TOKENS = 24
NUDGE = "None yet.\n"
"""Of the sampled cases: s1-nano would not say it by itself, and the end is as likely after it as before."""


@dataclass(frozen=True, slots=True)
class Greedy:
    """`crowd`: so many times more requests at once than the cache holds."""

    name: str
    budget: ThinkingBudget
    is_crowded: bool = False


GREEDY = (
    Greedy("three waits", ThinkingBudget(max_tokens=200, num_waits=3)),
    Greedy("maximum", ThinkingBudget(max_tokens=40, num_waits=1)),
    Greedy("nothing", ThinkingBudget(max_tokens=0)),
    Greedy("minimum", ThinkingBudget(max_tokens=160, min_tokens=80)),
    Greedy("grace", ThinkingBudget(max_tokens=64, grace_tokens=16)),
    Greedy("preemption", ThinkingBudget(max_tokens=400, num_waits=4), is_crowded=True),
)


@dataclass(frozen=True, slots=True)
class Sampled:
    """`n`: choices a request."""

    params: dict[str, Any] = field(default_factory=dict)
    is_seeded: bool = False
    n: int = 1


SAMPLED = (
    Sampled({"temperature": 1.0}),
    Sampled({"temperature": 1.4, "top_p": 0.8}, is_seeded=True),
    Sampled({"temperature": 1.0}, n=4),
    Sampled({"temperature": 1.3, "min_p": 0.1}),
    Sampled({"temperature": 1.0, "presence_penalty": 0.7, "top_k": 8}, is_seeded=True),
)


@dataclass(frozen=True, slots=True)
class ExactnessSize:
    """How much is compared. `cache_mib`: of the engine's cache, so small that the crowd is preempted."""

    prompts: int
    crowd: int
    samples: int
    places: int
    cache_mib: int


WHOLE = ExactnessSize(prompts=200, crowd=512, samples=800, places=24, cache_mib=192)
REDUCED = ExactnessSize(prompts=12, crowd=48, samples=80, places=6, cache_mib=24)


async def compare_greedy(
    engine: ThinkingLLM, reference: Reference, case: Greedy, questions: Sequence[str]
) -> dict[str, Any]:
    """How many are equal, how many part at a tie, and those that part otherwise."""
    prompts = [chat(engine, question) for question in questions]
    budget, preempted_before = case.budget, preemptions()
    answer: dict[str, Any] = {"temperature": 0.0, "max_tokens": (budget.max_tokens or 0) + 300}
    ours = [
        made
        for (made,), _ in await asyncio.gather(*(forced(engine, each, budget, **answer) for each in prompts))
    ]
    preempted = preemptions() - preempted_before
    theirs = await asyncio.gather(
        *(reference.run(prompt, budget, ANSWER_TOKENS, temperature=0.0) for prompt in prompts)
    )
    found: Counter[str] = Counter()
    wrong = []
    for prompt, one, other in zip(prompts, ours, theirs, strict=True):
        outcome = await _outcome(reference, prompt, one, other)
        found[outcome] += 1
        if outcome not in ("equal", "tie"):
            wrong.append({"outcome": outcome, "prompt": prompt, "ours": one.tokens, "theirs": other.tokens})
    work = Counter(kind.value for each in theirs for kind in each.forced.values())
    return {
        "case": case.name,
        "prompts": len(prompts),
        **found,
        "tokens": sum(len(each.tokens) for each in theirs),
        "forced": dict(work),
        "preemptions": preempted,
        "wrong": wrong[:3],
    }


async def _outcome(reference: Reference, prompt: Sequence[int], one: Forced, other: Forced) -> str:
    at = one.differs_from(other)
    if at is None:
        until = min(len(one.tokens), len(other.tokens))
        same = one.has_the_record_of(other, until) and one.end == other.end
        return "equal" if same else "other record"
    tie = await reference.is_tie(prompt, one.tokens[:at], one.tokens[at], other.tokens[at])
    if not tie:
        return "other tokens"
    return "tie" if one.has_the_record_of(other, at) else "other record"


async def undecided(reference: Reference, places: int) -> list[int]:
    """A prompt that breaks off inside thinking, where the model ends it about half of the time."""
    engine, chance = reference.engine, Random(0)
    found, best = [], 1.0
    for problem in problems("dev", places, seed=8):
        prompt = chat(engine, problem.question)
        thinking = await reference.once(
            prompt, temperature=0.0, max_tokens=300, stop_token_ids=[reference.end]
        )
        if thinking[-1] != reference.end:
            continue
        place = [*prompt, *thinking[:-1]]
        seeds = [chance.randrange(1 << 30) for _ in range(40)]
        first = await asyncio.gather(
            *(reference.once(place, temperature=1.0, max_tokens=1, seed=seed) for seed in seeds)
        )
        share = sum(out[0] == reference.end for out in first) / len(first)
        if abs(share - 0.5) < best:
            found, best = place, abs(share - 0.5)
    return found


async def compare_sampled(
    engine: ThinkingLLM, prompt: Sequence[int], case: Sampled, samples: int
) -> dict[str, Any]:
    """The p value of both sides' first tokens being of one distribution."""
    reference = Reference(engine, NUDGE)
    budget = ThinkingBudget(
        max_tokens=16, num_waits=1, nudge=(NUDGE,), end_message="", answer_reserve_tokens=0
    )

    def start(tokens: Sequence[int]) -> tuple[int, ...]:
        end = tokens.index(reference.end) + 1 if reference.end in tokens else len(tokens)
        return tuple(tokens[:end])[:9]

    async def ours(i: int) -> list[tuple[int, ...]]:
        seed = i if case.is_seeded else None
        made, _ = await forced(engine, prompt, budget, max_tokens=16, seed=seed, n=case.n, **case.params)
        return [start(each.tokens) for each in made]

    async def theirs(i: int) -> tuple[int, ...]:
        seed = 10**6 + i if case.is_seeded else None
        return start((await reference.run(prompt, budget, answer=0, seed=seed, **case.params)).tokens)

    got = Counter(
        each for some in await asyncio.gather(*map(ours, range(samples // case.n))) for each in some
    )
    expected = Counter(await asyncio.gather(*map(theirs, range(samples))))
    return {
        "params": case.params,
        "seeded": case.is_seeded,
        "n": case.n,
        "samples": samples,
        "outcomes": len(got | expected),
        "p": p_value(got, expected),
    }


async def stage(result: ResultFile, size: ExactnessSize, flags: Sequence[str]) -> None:
    """All cases on one engine, each added to the result as it ends.

    Raises:
        SystemExit: something was not exact.
    """
    given = ["--model", str(EMBEDDED_MODEL_PATH), "--max-num-seqs", "256", *flags]
    given += ["--kv-cache-memory-bytes", str(size.cache_mib << 20), "--block-size", "32"]
    async with running(given) as engine:
        result.add(engine=await describe(engine))
        reference = Reference(engine)
        questions = [problem.question for problem in problems("dev", max(size.prompts, size.crowd), seed=5)]
        for case in GREEDY:
            count = size.crowd if case.is_crowded else size.prompts
            result.append("greedy", await compare_greedy(engine, reference, case, questions[:count]))
        place = await undecided(reference, size.places)
        for sampled in SAMPLED:
            if engine.vllm_config.speculative_config is not None and "min_p" in sampled.params:
                continue  # vLLM refuses it where drafts are verified
            result.append("sampled", await compare_sampled(engine, place, sampled, size.samples))
    wrong = [each["case"] for each in result.fields["greedy"] if each["wrong"]]
    wrong += [str(each["params"]) for each in result.fields["sampled"] if each["p"] < 1e-4]
    result.add(exact=not wrong)
    if wrong:
        raise SystemExit(f"not exact: {', '.join(wrong)}")


def main() -> None:
    """One stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--reduced", action="store_true")
    given, flags = parser.parse_known_args()
    set_engine_environment()
    result = ResultFile(given.out)
    if why := not_here(flags):
        result.add(skipped=why)
        return
    asyncio.run(stage(result, REDUCED if given.reduced else WHOLE, flags))


if __name__ == "__main__":
    main()
