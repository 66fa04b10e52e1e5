"""Forcing inside the engine against stop-and-resubmit, on s1-nano: the same tokens, the same distribution."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio
from scipy.stats import chi2_contingency

from server.budget.budget import ThinkingBudget
from server.engine.bench.reference import Reference, chat, forced, p_value
from server.engine.client.engine import ThinkingLLM
from server.engine.launch.arguments import budget_flags, make_parser, parse
from server.engine.launch.lifetime import run_engine
from server.reasoning.families import FAMILIES
from server.reasoning.nano.problems import problems
from server.settings import EMBEDDED_MODEL_PATH

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]

FLAGS = ["--model", str(EMBEDDED_MODEL_PATH), "--enforce-eager", "--max-num-seqs", "64"]
FLAGS += ["--kv-cache-memory-bytes", str(1 << 30)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine() -> AsyncIterator[ThinkingLLM]:
    family = FAMILIES["think"]
    parser = make_parser("test", default_model="")
    arguments = parse(parser, [*FLAGS, *budget_flags(family, parse(parser, FLAGS))])
    async with run_engine(arguments, family) as engine:
        yield engine


@pytest.mark.parametrize(("waits", "maximum"), [(3, 200), (1, 40)])
async def test_greedy_forcing_equals_stop_and_resubmit_token_for_token(
    engine: ThinkingLLM, waits: int, maximum: int
) -> None:
    prompts = [chat(engine, problem.question) for problem in problems("dev", 210, seed=5)]
    reference = Reference(engine)
    budget = ThinkingBudget(max_tokens=maximum, num_waits=waits)
    expected = await asyncio.gather(
        *(reference.run(prompt, budget, answer=24, temperature=0.0) for prompt in prompts)
    )
    got = await asyncio.gather(
        *(forced(engine, prompt, budget, temperature=0.0, max_tokens=maximum + 300) for prompt in prompts)
    )
    equal = 0
    for prompt, ((ours,), _), theirs in zip(prompts, got, expected, strict=True):
        at = ours.differs_from(theirs)
        assert ours.has_the_record_of(theirs, len(theirs.tokens) if at is None else at)
        if at is None:
            equal += 1
        else:
            assert await reference.is_tie(prompt, ours.tokens[:at], ours.tokens[at], theirs.tokens[at])
    assert equal >= 200
    worked = sum(
        report.waits_used + (report.end == "max_tokens")
        for _, call in got
        for report in call.reports.values()
    )
    assert worked > len(prompts) / 2  # the rules had work to do


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def undecided(engine: ThinkingLLM) -> list[int]:
    """A prompt that breaks off inside thinking, at a place where the model ends it about half of the time."""
    reference = Reference(engine)
    chance = random.Random(0)
    found, best = [], 1.0
    for problem in list(problems("dev", 24, seed=8)):
        prompt = chat(engine, problem.question)
        thinking = await reference.once(
            prompt, temperature=0.0, max_tokens=300, stop_token_ids=[reference.end]
        )
        if thinking[-1] != reference.end:
            continue
        place = [*prompt, *thinking[:-1]]
        first = await asyncio.gather(
            *(
                reference.once(place, temperature=1.0, max_tokens=1, seed=chance.randrange(1 << 30))
                for _ in range(40)
            )
        )
        share = sum(out[0] == reference.end for out in first) / 40
        if abs(share - 0.5) < best:
            found, best = place, abs(share - 0.5)
    assert best < 0.35
    return found


SAMPLING = [
    {"temperature": 1.0},
    {"temperature": 1.4, "top_p": 0.8},
    {"temperature": 1.2, "top_k": 4},
    {"temperature": 1.3, "min_p": 0.1},
    {"temperature": 1.0, "presence_penalty": 0.7, "top_p": 0.95},
]


@pytest.mark.parametrize(
    ("params", "seeded"), [(each, at % 2 == 1) for at, each in enumerate(SAMPLING)], ids=str
)
async def test_sampled_forcing_has_the_distribution_of_stop_and_resubmit(
    engine: ThinkingLLM, undecided: list[int], params: dict[str, float], seeded: bool
) -> None:
    prompt = undecided
    # Where s1-nano does not end its thinking it says "Wait" by itself, so that nudge would prove nothing.
    # This one it would not say here, and behind it the end is as likely as before.
    nudge = "None yet.\n"
    reference = Reference(engine, nudge)

    def to_the_end(out: list[int]) -> tuple[int, ...]:
        """The first tokens of the thinking, and its end; the answer is not what differs."""
        return tuple(out[: out.index(reference.end) + 1] if reference.end in out else out)[:9]

    budget = ThinkingBudget(
        max_tokens=16, num_waits=1, nudge=(nudge,), end_message="", answer_reserve_tokens=0
    )

    async def ours(i: int) -> tuple[int, ...]:
        seed = i if seeded else None
        (out,), _ = await forced(engine, prompt, budget, max_tokens=16, seed=seed, **params)
        return to_the_end(out.tokens)

    async def theirs(i: int) -> tuple[int, ...]:
        seed = 10**6 + i if seeded else None
        return to_the_end((await reference.run(prompt, budget, answer=0, seed=seed, **params)).tokens)

    samples = 800
    got = Counter(await asyncio.gather(*(ours(i) for i in range(samples))))
    expected = Counter(await asyncio.gather(*(theirs(i) for i in range(samples))))
    assert p_value(got, expected) > 1e-4


def test_p_value_is_that_of_scipy() -> None:
    one, other = Counter({(1,): 60, (2,): 30, (3,): 4}), Counter({(1,): 45, (2,): 48, (4,): 3})
    pooled = [[60, 30, 4], [45, 48, 3]]
    assert p_value(one, other) == pytest.approx(chi2_contingency(pooled).pvalue)
    assert p_value(one, one) == 1.0


async def test_seeded_sample_does_not_depend_on_its_neighbours(engine: ThinkingLLM) -> None:
    """Alone, and among prompts so long that its prefill is cut into chunks (vLLM 0.32 dies of that)."""
    prompt = chat(engine, "Find the smallest prime factor of 391.")
    long = (prompt * 60)[: engine.model_config.max_model_len - 64]
    budget = ThinkingBudget(max_tokens=40, num_waits=2)

    async def sample(ids: Sequence[int]) -> list[int]:
        (out,), _ = await forced(engine, ids, budget, temperature=1.0, seed=4, max_tokens=48)
        return out.tokens

    alone = [await sample(prompt), await sample(long)]
    crowd = [sample(long) for _ in range(24)] + [sample(prompt) for _ in range(24)]
    together = await asyncio.gather(*crowd)
    assert together[24:] == [alone[0]] * 24
    assert together[:24] == [alone[1]] * 24
