"""The engine's lifetime: up, with budgets installed, until the block that asked for it ends."""

import sys
from argparse import Namespace
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from prometheus_client import CollectorRegistry
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.renderers.chat_utils import load_chat_template
from vllm.usage.usage_lib import UsageContext

from server.engine.client.engine import ThinkingLLM
from server.engine.launch.api_processes import ApiProcess
from server.engine.launch.orphans import bind_engines
from server.engine.launch.speculation import configure
from server.observability.log import RequestLog
from server.observability.metrics import Metrics
from server.observability.telemetry import Telemetry
from server.reasoning.family import Family

ENGINE_EXIT_TIMEOUT_S = 5.0
"""Time for the engine to abort its requests and release its device."""


@asynccontextmanager
async def run_engine(
    arguments: Namespace,
    family: Family | None,
    telemetry: Telemetry | None = None,
    process: ApiProcess | None = None,
) -> AsyncIterator[ThinkingLLM]:
    """The running engine with budgets installed, as a context; `telemetry` None records nothing.

    `process`: one of several in front of the engines, which run already.

    On exit it is shut down at once: the server has drained it before. It raises what vLLM raises at start-up,
    and RuntimeError or ValueError when budgets cannot be enforced on this engine.
    """
    telemetry = telemetry or Telemetry(Metrics(CollectorRegistry()), RequestLog("off", sys.stdout))
    engine_args = AsyncEngineArgs.from_cli_args(arguments)
    bind_engines()
    client: dict[str, Any] = {}
    if process is not None:
        engine_args._api_process_count, engine_args._api_process_rank = process.count, process.index
        client = {
            "client_addresses": dict(process.addresses),
            "client_count": process.count,
            "client_index": process.index,
        }
    usage = UsageContext.OPENAI_API_SERVER
    if family is None:
        config = engine_args.create_engine_config(usage)
    else:
        config = configure(engine_args, usage)
    engine = ThinkingLLM.from_vllm_config(
        vllm_config=config,
        usage_context=usage,
        enable_log_requests=engine_args.enable_log_requests,
        aggregate_engine_logging=engine_args.aggregate_engine_logging,
        disable_log_stats=engine_args.disable_log_stats,
        **client,
    )
    try:
        await engine.reset_mm_cache()
        template = load_chat_template(arguments.chat_template)
        variables = arguments.default_chat_template_kwargs or {}
        await engine.install_budgets(family, telemetry, template, variables)
        yield engine
    finally:
        engine.shutdown(timeout=ENGINE_EXIT_TIMEOUT_S)
