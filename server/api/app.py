"""Starts the engine and serves it: vLLM's launcher with our engine client and our middleware."""

import asyncio
import os
import signal
import socket
import sys
from argparse import Namespace
from collections.abc import Awaitable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from fastapi import FastAPI
from prometheus_client import REGISTRY, CollectorRegistry
from starlette.middleware import Middleware
from vllm import envs
from vllm.entrypoints.launchers.api_server.app_state import init_app_state
from vllm.entrypoints.launchers.app import build_app
from vllm.entrypoints.launchers.launcher import serve_http, setup_server
from vllm.entrypoints.launchers.utils.server_utils import get_uvicorn_log_config
from vllm.entrypoints.serve.middleware.authenticate import AuthenticationMiddleware

from server.announce import announce
from server.api import control
from server.api.authentication import KeyMiddleware
from server.api.body_limits import BodyLimitMiddleware
from server.api.chat_chunks import write_chunks_once
from server.api.cut_tool_calls import read_cut_calls
from server.api.health import tell_of_store
from server.api.kept_thinking import describe_kept
from server.api.middleware import ThinkingMiddleware
from server.api.page import add_page
from server.api.peers import Holds, Peers, PeersMiddleware
from server.api.rate_limits import limits_by_key
from server.api.routes import close_routes
from server.api.scaling.edge import ScalingResources
from server.api.shutdown import Drain, DrainMiddleware
from server.api.stored_responses import ResponseStore, keep_responses
from server.api.vllm_logs import hush_logs
from server.api.weight_updates import WeightUpdateMiddleware, take_updates
from server.budget.parsing.keep import Keep
from server.engine.client.engine import ThinkingLLM
from server.engine.launch.api_processes import ApiProcess
from server.engine.launch.lifetime import run_engine
from server.engine.seams import SeamError, require
from server.keys.key import Key
from server.keys.store.open_store import open_store
from server.keys.store.store import QuotaStore
from server.observability.log import RequestLog
from server.observability.metrics import Metrics
from server.observability.telemetry import Telemetry
from server.reasoning.family import Family
from server.reasoning.grading.pool import GradingPool
from server.scaling.request import ScalingDefaults
from server.scaling.scorers.endpoint import Scorers
from server.settings import ALLOW, Settings

LAST_CONNECTIONS_TIMEOUT_S = 3


def bind(arguments: Namespace) -> tuple[str, socket.socket]:
    """The address, and a socket that listens there before the engine is up. Imports vLLM's plugins."""
    address, listener = setup_server(arguments, reuse_port=False)
    return address, listener


@dataclass(frozen=True, slots=True)
class Setup:
    """What is served and how, the same in every API process; it can be pickled."""

    arguments: Namespace
    settings: Settings
    family: Family | None
    keys: Sequence[Key]
    """Without any, everybody has access."""
    reads_tools: bool
    """Whether the model's tool calls are read."""


async def serve(setup: Setup, listener: socket.socket, process: ApiProcess | None = None) -> bool:
    """Serve until a signal stops the server. Returns whether the engine was still healthy at the end.

    `process`: this one of several API processes.

    Raises:
        QuotaStoreError: The quota store answers that it keeps no quotas.
    """
    arguments, settings, family = setup.arguments, setup.settings, setup.family
    log = RequestLog(settings.log_format, sys.stdout)
    metrics = Metrics(REGISTRY)
    telemetry = Telemetry(metrics, log, keeps_prompts=settings.log_prompts)
    limit_s, arguments.shutdown_timeout = arguments.shutdown_timeout, 0  # drained here, not by vLLM's engine
    graders = GradingPool(max(1, (os.cpu_count() or 2) // 4 // (process.count if process else 1)))
    scorers = Scorers(settings.scorers)
    store = _quota_store(settings, metrics)
    async with graders, scorers, store, run_engine(arguments, family, telemetry, process) as engine:
        if process is None or process.index == 0:
            announce(runner=f"vLLM's {engine.runner} model runner")
        drain = Drain(engine, limit_s)
        tasks = await engine.get_supported_tasks()
        app = build_app(arguments, tasks, engine.model_config)
        if settings.weight_updates is not None:
            take_updates(app, engine, settings.weight_updates)
        close_routes(app, takes_updates=settings.weight_updates is not None)
        if settings.quota_store is not None:
            tell_of_store(app, store)
        add_page(app)
        app.add_api_route(control.PATH, control.control, methods=["POST"])
        defaults = replace(settings.budget_defaults, template=engine.template)
        if settings.keep_thinking is not None and (process is None or process.index == 0):
            announce(history=describe_kept(Keep(settings.keep_thinking), engine.template))
        allowed = limits_by_key(setup.keys, defaults, store)
        for meter in (each.meter for each in allowed.values() if each.meter is not None):
            meter.on_spent = partial(engine.in_flight.end_all_thinking, meter)
        budgets = Middleware(
            ThinkingMiddleware,
            settings=settings,
            family=family,
            telemetry=telemetry,
            limits_by_key=allowed,
            scaling=_scaling_resources(engine, settings, graders, scorers),
            is_engine_dead=lambda: engine.errored,
            reads_tools=setup.reads_tools,
            hides_tools=arguments.exclude_tools_when_tool_choice_none,
        )
        outer = [Middleware(DrainMiddleware, drain=drain), *_guard(setup)]
        outer.append(Middleware(BodyLimitMiddleware, limits=settings.request_limits))
        outer.append(Middleware(WeightUpdateMiddleware, gate=engine.weights, needs_admin=bool(setup.keys)))
        await init_app_state(engine, app.state, arguments, tasks)
        read_cut_calls(app.state)
        kept = keep_responses(app.state, settings.max_stored_responses, settings.stored_response_seconds)
        write_chunks_once(app.state)
        hush_logs()
        async with AsyncExitStack() as shared:
            inner = [budgets]
            if process is not None:
                peers, holds = Peers(process.folder, process.index, process.count), _holds(engine, kept)
                inner.insert(0, Middleware(PeersMiddleware, peers=peers, holds=holds))
                await shared.enter_async_context(peers.listening(app, outer, holds))
            _stack(app, outer, inner)
            envs.enable_envs_cache()  # as in its engine; else vLLM reads its environment for each token
            shutdown = await _serve_http(app, listener, arguments, drain, process)
            is_healthy = not engine.errored
    await shutdown
    return is_healthy


async def _serve_http(
    app: FastAPI, listener: socket.socket, arguments: Namespace, drain: Drain, process: ApiProcess | None
) -> Awaitable[None]:
    """Until a signal ends it. Returns what is to be awaited once the engine is down.

    Raises:
        SeamError: This release of vLLM installs its signal handlers later than ours.
    """
    loads = None if process is None or process.loads is None else (process.loads, process.index)
    serving = asyncio.create_task(
        serve_http(app, sock=listener, peer_loads=loads, **_uvicorn_options(arguments))
    )
    others = signal.getsignal(signal.SIGTERM)
    await asyncio.sleep(0)  # serve_http installs its signal handlers; ours replace them
    require(app.state, "server")
    if signal.getsignal(signal.SIGTERM) is others:
        raise SeamError("this release of vLLM has not installed its signal handlers yet")
    drain.listen(app.state.server)
    shutdown: Awaitable[None] = await serving
    return shutdown


def _guard(setup: Setup) -> list[Middleware]:
    if not setup.keys:
        return []
    return [Middleware(KeyMiddleware, keys=setup.keys, endpoints=setup.settings.open_endpoints)]


def _holds(engine: ThinkingLLM, kept: ResponseStore) -> Holds:
    """Whether a response is made, or kept, in this process."""
    return lambda response_id, key_name: (
        engine.in_flight.holds(response_id, key_name) or kept.holds(response_id, key_name)
    )


def _scaling_resources(
    engine: ThinkingLLM, settings: Settings, judge: GradingPool, scorers: Scorers
) -> ScalingResources:
    defaults = ScalingDefaults(
        max_samples=settings.max_scaling_samples,
        temperature=engine.model_config.get_diff_sampling_param().get("temperature"),
        knows_family=engine.family is not None,
        scorers=tuple(settings.scorers),
    )
    return ScalingResources(defaults, engine.planner.marks, judge, scorers, engine.in_flight.answering)


def _quota_store(settings: Settings, metrics: Metrics) -> QuotaStore:
    store = open_store(
        settings.quota_store,
        lease_tokens=settings.quota_lease_tokens,
        counts_alone=settings.quota_store_down == ALLOW,
    )
    store.on_state, store.on_call = metrics.mark_store, metrics.count_store_call
    return store


def _stack(app: FastAPI, outer: Sequence[Middleware], inner: Sequence[Middleware]) -> None:
    """Put our middleware around vLLM's (but for its keys, which ours replace), budgets innermost."""
    vllms = [each for each in app.user_middleware if each.cls is not AuthenticationMiddleware]
    app.user_middleware = [*outer, *vllms, *inner]
    _forget_http_metrics(app)
    app.middleware_stack = app.build_middleware_stack()  # vLLM has built it already, without ours


def _forget_http_metrics(app: FastAPI) -> None:
    """Unregister the http_* metrics of the middleware stack that vLLM has built.

    The stack is built again; prometheus-fastapi-instrumentator would find the names taken and, silently,
    count nothing.
    """
    for each in app.user_middleware:
        registry = each.kwargs.get("registry")
        if isinstance(registry, CollectorRegistry):
            for collector, names in list(registry._collector_to_names.items()):
                if any(name.startswith("http_") for name in names):
                    registry.unregister(collector)


def _uvicorn_options(arguments: Namespace) -> dict[str, Any]:
    return {
        "enable_ssl_refresh": arguments.enable_ssl_refresh,
        "host": arguments.host,
        "port": arguments.port,
        **({"log_config": log_config} if (log_config := get_uvicorn_log_config(arguments)) else {}),
        "log_level": arguments.uvicorn_log_level,
        "access_log": not arguments.disable_uvicorn_access_log,
        "timeout_keep_alive": envs.VLLM_HTTP_TIMEOUT_KEEP_ALIVE,
        # The server has been drained by then: open connections have no running request.
        "timeout_graceful_shutdown": LAST_CONNECTIONS_TIMEOUT_S,
        "ssl_keyfile": arguments.ssl_keyfile,
        "ssl_certfile": arguments.ssl_certfile,
        "ssl_ca_certs": arguments.ssl_ca_certs,
        "ssl_cert_reqs": arguments.ssl_cert_reqs,
        "ssl_ciphers": arguments.ssl_ciphers,
        "h11_max_incomplete_event_size": arguments.h11_max_incomplete_event_size,
        "h11_max_header_count": arguments.h11_max_header_count,
    }
