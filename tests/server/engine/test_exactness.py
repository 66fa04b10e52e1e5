"""Forcing inside the engine against stop-and-resubmit, on s1-nano: the same tokens, the same distribution."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio
from vllm.inputs import TokensPrompt
from vllm.sampling_params import RequestOutputKind, SamplingParams
from vllm.v1.engine.async_llm import AsyncLLM

from server.budget.budget import ThinkingBudget
from server.engine.bench.reference import Reference, chat, forced, p_value
from server.engine.client.call import CALL, Call
from server.engine.client.engine import ThinkingLLM
from server.engine.launch.arguments import budget_flags, make_parser, parse
from server.engine.launch.lifetime import run_engine
from server.reasoning.families import FAMILIES
from server.reasoning.nano.problems import problems
from server.settings import EMBEDDED_MODEL_PATH
from tests.runners import INTERPRETED_TIMEOUT_S, RUNNERS, choose

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]

FLAGS = ["--model", str(EMBEDDED_MODEL_PATH), "--enforce-eager", "--max-num-seqs", "64"]
FLAGS += ["--kv-cache-memory-bytes", str(1 << 30)]


ON_EACH_RUNNER = pytest.mark.parametrize("engine", RUNNERS, indirect=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[ThinkingLLM]:
    """On the model runner that the test's parameter names."""
    family = FAMILIES["think"]
    parser = make_parser("test", default_model="")
    arguments = parse(parser, [*FLAGS, *budget_flags(family, parse(parser, FLAGS))])
    with pytest.MonkeyPatch.context() as patch:
        choose(request.param, patch)
        async with run_engine(arguments, family) as engine:
            assert engine.runner == request.param
            yield engine


def size(engine: ThinkingLLM, on_v1: int, on_v2: int) -> int:
    """Of a sample: where the kernels are interpreted a step takes a hundred times as long."""
    return on_v1 if engine.runner == "V1" else on_v2


@pytest.mark.parametrize(
    ("engine", "count", "waits", "maximum"),
    [
        ("V1", 210, 3, 200),
        ("V1", 210, 1, 40),
        pytest.param("V2", 4, 1, 16, marks=pytest.mark.timeout(INTERPRETED_TIMEOUT_S)),
        pytest.param("V2", 24, 3, 120, marks=[pytest.mark.slow, pytest.mark.timeout(INTERPRETED_TIMEOUT_S)]),
    ],
    indirect=["engine"],
)
async def test_greedy_forcing_equals_stop_and_resubmit_token_for_token(
    engine: ThinkingLLM, count: int, waits: int, maximum: int
) -> None:
    prompts = [chat(engine, problem.question) for problem in problems("dev", count, seed=5)]
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
    assert equal >= len(prompts) * 20 // 21
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
    prompts = [chat(engine, problem.question) for problem in problems("dev", 24, seed=8)]
    thinking = await asyncio.gather(
        *(
            reference.once(prompt, temperature=0.0, max_tokens=120, stop_token_ids=[reference.end])
            for prompt in prompts
        )
    )
    places = [
        [*prompt, *thought[:-1]]
        for prompt, thought in zip(prompts, thinking, strict=True)
        if thought[-1] == reference.end
    ]
    firsts = await asyncio.gather(
        *(
            reference.once(place, temperature=1.0, max_tokens=1, seed=chance.randrange(1 << 30))
            for place in places
            for _ in range(40)
        )
    )
    found, best = [], 1.0
    for at, place in enumerate(places):
        share = sum(out[0] == reference.end for out in firsts[at * 40 : at * 40 + 40]) / 40
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


@ON_EACH_RUNNER
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

    samples = size(engine, 800, 150)
    got = Counter(await asyncio.gather(*(ours(i) for i in range(samples))))
    expected = Counter(await asyncio.gather(*(theirs(i) for i in range(samples))))
    assert p_value(got, expected) > 1e-4


@ON_EACH_RUNNER
async def test_seeded_sample_does_not_depend_on_its_neighbours(engine: ThinkingLLM) -> None:
    """Alone, and among prompts so long that its prefill is cut into chunks (vLLM 0.32 dies of that)."""
    prompt = chat(engine, "Find the smallest prime factor of 391.")
    long = (prompt * 60)[: engine.model_config.max_model_len - 64]
    budget = ThinkingBudget(max_tokens=40, num_waits=2)

    async def sample(ids: Sequence[int]) -> list[int]:
        (out,), _ = await forced(engine, ids, budget, temperature=1.0, seed=4, max_tokens=48)
        return out.tokens

    alone, many = [await sample(prompt), await sample(long)], size(engine, 24, 4)
    crowd = [sample(long) for _ in range(many)] + [sample(prompt) for _ in range(many)]
    together = await asyncio.gather(*crowd)
    assert together[many:] == [alone[0]] * many
    assert together[:many] == [alone[1]] * many


@ON_EACH_RUNNER
async def test_token_that_is_no_text_is_the_models_own(engine: ThinkingLLM) -> None:
    prompt = chat(engine, "Find the smallest prime factor of 391.")
    (own,) = await Reference(engine).once(prompt, temperature=0.0, max_tokens=1)
    found = []
    for is_governed in (True, False):
        CALL.set(Call(budget=ThinkingBudget(max_tokens=0), asked=True, is_governed=is_governed))
        sampling = SamplingParams(max_tokens=8, temperature=0.0, output_kind=RequestOutputKind.FINAL_ONLY)
        stream = engine.generate(TokensPrompt(prompt_token_ids=prompt), sampling, f"token-{is_governed}")
        (output,) = [output async for output in stream]
        found.append(output.outputs[0].token_ids[0])
    assert found == [engine.family.end[0] if engine.family else None, own]


@ON_EACH_RUNNER
async def test_each_of_n_choices_has_a_record_and_the_models_own_logprobs(engine: ThinkingLLM) -> None:
    reference = Reference(engine)
    prompt = chat(engine, "Find the smallest prime factor of 391.")
    close = [reference.end, *reference.cue]
    call = Call(budget=ThinkingBudget(max_tokens=9, num_waits=1), asked=True)
    CALL.set(call)
    sampling = SamplingParams(
        n=24,
        temperature=2.0,  # some choices differ on any CPU and runner: of four all were once the same
        seed=11,
        logprobs=0,
        max_tokens=320,
        output_kind=RequestOutputKind.FINAL_ONLY,
        detokenize=False,
    )
    stream = engine.generate(TokensPrompt(prompt_token_ids=prompt), sampling, "choices")
    (output,) = [output async for output in stream]
    different = {tuple(choice.token_ids): choice for choice in output.outputs}
    assert len(different) > 1
    for choice in different.values():
        report, ids = call.reports[choice.index], list(choice.token_ids)
        assert (report.end, ids[9 : 9 + len(close)]) == ("max_tokens", close)
        assert report.forced_tokens == len(close) + report.waits_used * len(reference.nudge)
        scored = await _logprobs(engine, prompt, ids)
        said = [each[token].logprob for each, token in zip(choice.logprobs, ids, strict=True)]
        assert said == pytest.approx(scored, abs=0.15)  # bfloat16, and another batch


async def _logprobs(engine: ThinkingLLM, prompt: Sequence[int], output: Sequence[int]) -> list[float]:
    """By the bare model, as a prompt."""
    sampling = SamplingParams(max_tokens=1, prompt_logprobs=0, detokenize=False)
    whole = TokensPrompt(prompt_token_ids=[*prompt, *output])
    stream = AsyncLLM.generate(engine, whole, sampling, f"score-{random.random()}")
    (result,) = [each async for each in stream]
    found = result.prompt_logprobs[len(prompt) :]
    return [each[token].logprob for each, token in zip(found, output, strict=True)]
