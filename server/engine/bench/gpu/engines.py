"""The engines that the stages start in their own process, with budgets that are timed, or bare."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from prometheus_client import REGISTRY
from vllm.triton_utils import HAS_TRITON

from server.engine.bench.gpu.timing import TimedExtension
from server.engine.client.engine import ThinkingLLM
from server.engine.launch.arguments import budget_flags, make_parser, parse
from server.engine.launch.lifetime import run_engine
from server.reasoning.families import FAMILIES
from server.reasoning.family import Family

EXTENSION = f"{TimedExtension.__module__}.{TimedExtension.__qualname__}"
FAMILY = FAMILIES["think"]


def not_here(flags: Sequence[str]) -> str | None:
    """Why a stage has nothing to do on this machine, or with this server; None where it has."""
    if os.environ.get("VLLM_USE_V2_MODEL_RUNNER") == "1" and not HAS_TRITON:
        return "vLLM's V2 model runner needs Triton, which has no backend for this machine"
    try:
        budget_flags(FAMILY, parse(make_parser("bench", default_model=""), flags))
    except ValueError as error:
        return str(error)
    return None


@asynccontextmanager
async def running(
    flags: Sequence[str], is_bare: bool = False, family: Family = FAMILY
) -> AsyncIterator[ThinkingLLM]:
    """An engine with budgets, as `s1-serve` starts it with these flags; bare: without any."""
    parser = make_parser("bench", default_model="")
    bare = parse(parser, flags)
    if is_bare:
        bare.worker_extension_cls = EXTENSION
        async with run_engine(bare, None) as engine:
            yield engine
        return
    arguments = parse(parser, [*flags, *budget_flags(family, bare)])
    arguments.worker_extension_cls = EXTENSION
    async with run_engine(arguments, family) as engine:
        yield engine


async def describe(engine: ThinkingLLM) -> dict[str, Any]:
    """Of which parts vLLM has made its worker."""
    (told,) = await engine.collective_rpc("s1_describe")
    return dict(told)


def preemptions() -> int:
    """By all engines of this process so far."""
    samples = (sample for metric in REGISTRY.collect() for sample in metric.samples)
    return int(sum(sample.value for sample in samples if sample.name == "vllm:num_preemptions_total"))
