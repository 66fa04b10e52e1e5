"""The engines that the stages start in their own process, with budgets that are timed, or bare."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from prometheus_client import REGISTRY

from server.engine.bench.gpu.timing import TimedExtension
from server.engine.client.engine import ThinkingLLM
from server.engine.launch.arguments import budget_flags, make_parser, parse
from server.engine.launch.lifetime import run_engine
from server.reasoning.families import FAMILIES

EXTENSION = f"{TimedExtension.__module__}.{TimedExtension.__qualname__}"
FAMILY = FAMILIES["think"]


def refusal(flags: Sequence[str]) -> str | None:
    """Why budgets cannot be had with these flags; None where they can."""
    try:
        budget_flags(FAMILY, parse(make_parser("bench", default_model=""), flags))
    except ValueError as error:
        return str(error)
    return None


@asynccontextmanager
async def running(flags: Sequence[str], is_bare: bool = False) -> AsyncIterator[ThinkingLLM]:
    """An engine with budgets, as `s1-serve` starts it with these flags; bare: without any."""
    parser = make_parser("bench", default_model="")
    bare = parse(parser, flags)
    if is_bare:
        bare.worker_extension_cls = EXTENSION
        async with run_engine(bare, None) as engine:
            yield engine
        return
    arguments = parse(parser, [*flags, *budget_flags(FAMILY, bare)])
    arguments.worker_extension_cls = EXTENSION
    async with run_engine(arguments, FAMILY) as engine:
        yield engine


async def describe(engine: ThinkingLLM) -> dict[str, Any]:
    """Of which parts vLLM has made its worker."""
    (told,) = await engine.collective_rpc("s1_describe")
    return dict(told)


def preemptions() -> int:
    """By all engines of this process so far."""
    samples = (sample for metric in REGISTRY.collect() for sample in metric.samples)
    return int(sum(sample.value for sample in samples if sample.name == "vllm:num_preemptions_total"))
