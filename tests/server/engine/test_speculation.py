"""Budgets while drafts are verified: greedy, the same tokens, forced records and logprobs as without drafts,
whatever of a budget acts within a draft."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import cycle
from typing import Any

import pytest
from vllm.inputs import TokensPrompt
from vllm.sampling_params import RequestOutputKind, SamplingParams, StructuredOutputsParams
from vllm.v1.metrics.reader import Counter as Counted
from vllm.v1.metrics.reader import get_metrics_snapshot

from server.budget.budget import ThinkingBudget
from server.budget.running.action import ForcedKind
from server.budget.running.report import ForcedRecord, ThinkingReport
from server.engine.bench.reference import KeptRecord, chat
from server.engine.client.call import CALL, Call
from server.engine.client.engine import ThinkingLLM
from server.engine.client.planner import Planner
from server.engine.launch.arguments import budget_flags, make_parser, parse
from server.engine.launch.lifetime import run_engine
from server.reasoning.families import FAMILIES
from server.reasoning.family import Family
from server.reasoning.nano.problems import problems
from server.settings import EMBEDDED_MODEL_PATH
from tests.runners import choose
from tests.server.engine.drafted_log import EXTENSION, Step
from tests.server.engine.suffix_library import built

pytestmark = pytest.mark.engine

THINK = FAMILIES["think"]
# In float32 a token's logits hardly depend on how many positions are computed with it.
FLAGS = [
    "--model",
    str(EMBEDDED_MODEL_PATH),
    "--enforce-eager",
    "--dtype",
    "float32",
    "--max-model-len",
    "512",
]
FLAGS += ["--structured-outputs-config", '{"backend": "xgrammar", "disable_any_whitespace": true}']
NGRAM = {"method": "ngram", "num_speculative_tokens": 4, "prompt_lookup_max": 4, "prompt_lookup_min": 1}
ITSELF = {"method": "draft_model", "model": str(EMBEDDED_MODEL_PATH), "num_speculative_tokens": 4}
"""s1-nano drafts for itself: nearly every token that no budget changes is accepted."""
SUFFIX = {"method": "suffix", "num_speculative_tokens": 4}
MAX_TOKENS = 200


@dataclass(frozen=True, slots=True)
class Kind:
    """Of budget, with what else of the request matters to it."""

    budget: ThinkingBudget
    family: Family = THINK
    has_tools: bool = False
    sampling: dict[str, Any] = field(default_factory=dict)


LONG_END = replace(THINK, name="long", end="</think>\n\n")
ORDINARY_END = replace(THINK, name="ordinary", end=" yes\nSo")
"""Text of several tokens, which s1-nano says by itself."""
KINDS = {
    "max": Kind(ThinkingBudget(max_tokens=40)),
    "at once": Kind(ThinkingBudget(max_tokens=0)),
    "waits": Kind(ThinkingBudget(num_waits=3)),
    "min": Kind(ThinkingBudget(min_tokens=110)),
    "all of them": Kind(ThinkingBudget(min_tokens=60, max_tokens=100, num_waits=1)),
    "grace": Kind(ThinkingBudget(max_tokens=64, grace_tokens=30)),
    "long nudges": Kind(ThinkingBudget(num_waits=3, nudge=("Wait, try 5", "Alternatively"))),
    "alpha": Kind(ThinkingBudget(alpha_tokens=60)),
    "long end": Kind(ThinkingBudget(max_tokens=50, num_waits=1), LONG_END),
    "ordinary end": Kind(ThinkingBudget(max_tokens=90, num_waits=2), ORDINARY_END),
    "tools": Kind(ThinkingBudget(max_tokens=80, num_waits=3), has_tools=True),
    "JSON": Kind(
        ThinkingBudget(max_tokens=80, num_waits=3),
        sampling={"structured_outputs": StructuredOutputsParams(regex=r'\{"answer": [0-9]{1,3}\}')},
    ),
    "penalties": Kind(
        ThinkingBudget(num_waits=2, suppress=("no",)),
        sampling={"presence_penalty": 0.6, "repetition_penalty": 1.05, "bad_words": ["None"]},
    ),
    "stop": Kind(ThinkingBudget(max_tokens=30), sampling={"stop": ["1", "3", "9"]}),
    "none": Kind(ThinkingBudget()),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one request. `logprobs`: of its tokens."""

    tokens: list[int]
    logprobs: list[float]
    record: ForcedRecord
    report: ThinkingReport

    def is_of(self, other: "Outcome") -> bool:
        """Whether it is the other's as well."""
        is_same = (self.tokens, self.record, self.report) == (other.tokens, other.record, other.report)
        return is_same and self.logprobs == pytest.approx(other.logprobs, abs=1e-4)


@asynccontextmanager
async def engine_of(*flags: str, runner: str = "V1") -> AsyncIterator[ThinkingLLM]:
    """s1-nano's engine, which logs its steps."""
    parser, given = make_parser("test", default_model=""), [*FLAGS, *flags]
    given += budget_flags(THINK, parse(parser, given))
    arguments = parse(parser, given)
    arguments.worker_extension_cls = EXTENSION
    with pytest.MonkeyPatch.context() as patch:
        choose(runner, patch)
        async with run_engine(arguments, THINK) as engine:
            assert engine.runner == runner
            yield engine


async def outcomes(engine: ThinkingLLM, count: int) -> list[Outcome]:
    """Of so many questions, whose budgets are of each kind in turn."""
    tokenizer, config = engine.renderer.tokenizer, engine.model_config
    families = (THINK, LONG_END, ORDINARY_END)
    planners = {family.name: Planner(config, tokenizer, family) for family in families}

    async def ask(at: int, question: str, kind: Kind) -> Outcome:
        kept = KeptRecord()
        call = Call(budget=kind.budget, asked=True, has_tools=kind.has_tools, segment=kept)
        CALL.set(call)
        sampling = SamplingParams(
            temperature=0.0,
            seed=at,  # where AlphaOne puts its nudges is drawn from it
            max_tokens=MAX_TOKENS,
            logprobs=0,
            output_kind=RequestOutputKind.FINAL_ONLY,
            **kind.sampling,
        )
        prompt = TokensPrompt(prompt_token_ids=chat(engine, question))
        engine.planner = planners[kind.family.name]  # a request is planned when it is made
        stream = engine.generate(prompt, sampling, f"{at}")
        (output,) = [output async for output in stream]
        (choice,) = output.outputs
        tokens = list(choice.token_ids)
        logprobs = [each[token].logprob for each, token in zip(choice.logprobs, tokens, strict=True)]
        return Outcome(tokens, logprobs, kept.record, call.reports[0])

    asked = enumerate(zip(problems("dev", count, seed=5), cycle(KINDS.values())))
    return await asyncio.gather(*(ask(at, problem.question, kind) for at, (problem, kind) in asked))


async def steps_of(engine: ThinkingLLM, count: int) -> list[list[Step]]:
    """Of each of these requests."""
    (log,) = await engine.collective_rpc("s1_drafted_steps")
    by_request = {row.partition("-")[0]: steps for row, steps in log.items()}
    return [[Step(*step) for step in by_request.get(str(at), ())] for at in range(count)]


def scripted_steps(record: ForcedRecord, steps: Sequence[Step]) -> tuple[int, int]:
    """How many steps brought the tokens of the end and the cue, and how many tokens these are."""
    at = [at for at, kind in record.forced.items() if kind in (ForcedKind.END, ForcedKind.CUE)]
    drafted = [step for step in steps if any(step.at <= each < step.at + step.came for each in at)]
    alone = sum(not any(step.at <= each < step.at + step.came for step in drafted) for each in at)
    return len(drafted) + alone, len(at)


def counted(name: str) -> int:
    """So far, by vLLM's own counter."""
    named = [each for each in get_metrics_snapshot() if each.name == f"vllm:{name}"]
    return sum(each.value for each in named if isinstance(each, Counted))


@dataclass(frozen=True, slots=True)
class Tier:
    """How many requests, and of each kind of budget how often at least it must act within a draft."""

    count: int
    acts: int
    cache: int
    """Bytes. A row that is preempted is taken up again, with a draft or in the middle of what was one."""
    is_cramped: bool
    runner: str = "V1"
    """Where drafts are verified; what comes without any is V1's, in float32 the same to the token."""


SHORT = Tier(75, 1, 1 << 28, is_cramped=False)
WHOLE = Tier(525, 50, 12 << 20, is_cramped=True)
SUFFIXED = Tier(150, 1, 8 << 20, is_cramped=True)
INTERPRETED = replace(WHOLE, runner="V2")
SLOW = [pytest.mark.slow, pytest.mark.timeout(2400)]


@pytest.mark.parametrize(
    ("methods", "tier"),
    [
        pytest.param([NGRAM], SHORT, id="short"),
        pytest.param([NGRAM, ITSELF], WHOLE, id="whole", marks=SLOW),
        pytest.param([SUFFIX], SUFFIXED, id="suffix", marks=SLOW),
        pytest.param(
            [NGRAM, ITSELF], INTERPRETED, id="V2", marks=[pytest.mark.slow, pytest.mark.timeout(7200)]
        ),
    ],
)
async def test_drafts_change_neither_tokens_nor_records_nor_logprobs(
    methods: Sequence[dict[str, Any]], tier: Tier, monkeypatch: pytest.MonkeyPatch
) -> None:
    if SUFFIX in methods:
        monkeypatch.syspath_prepend(built())  # the engine's process has it from this one
    flags = ["--kv-cache-memory-bytes", str(tier.cache), "--max-num-seqs", "48"]
    async with engine_of(*flags) as engine:
        expected = await outcomes(engine, tier.count)
    # "at once" ends thinking at the first token, before which nothing can be drafted.
    acts = Counter(dict.fromkeys(KINDS.keys() - {"none", "at once"}, 0))
    for method in methods:
        drafted = ["--speculative-config", json.dumps(method)]
        async with engine_of(*flags, *drafted, runner=tier.runner) as engine:
            before = counted("num_preemptions")
            got = await outcomes(engine, tier.count)
            assert (counted("num_preemptions") > before) == tier.is_cramped
            # Of which the dashboard makes a share.
            assert 0 < counted("spec_decode_num_accepted_tokens") < counted("spec_decode_num_draft_tokens")
            steps = await steps_of(engine, tier.count)
        differ = [
            kind
            for kind, ours, theirs in zip(cycle(KINDS), got, expected, strict=False)
            if not theirs.is_of(ours)
        ]
        assert differ == []
        accepted = sum(step.came - 1 for each in steps for step in each)
        assert accepted >= 0.2 * sum(len(each.tokens) for each in got)
        for kind, ours, each in zip(cycle(KINDS), got, steps, strict=False):
            if kind in acts:
                acts[kind] += sum(any(step.acts_within(at) for step in each) for at in ours.record.forced)
        closes = [
            scripted_steps(ours.record, each)
            for kind, ours, each in zip(cycle(KINDS), got, steps, strict=False)
            if kind == "max"
        ]
        # What is forced is drafted.
        assert sum(taken for taken, _ in closes) <= sum(tokens for _, tokens in closes) / 2
        came = sum(len(each.tokens) for each in got)
        print(f"{method['method']}: {accepted} of {came} tokens; {acts}; closes {closes}")
    assert min(acts.values()) >= tier.acts
