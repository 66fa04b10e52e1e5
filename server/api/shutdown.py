"""Graceful shutdown.

SIGTERM lets running requests finish within a time limit and refuses new ones; requests still running then end
with an error. A second signal, or SIGINT (Ctrl-C), ends them at once. Done here and not by vLLM's own
draining, because a draining engine does not return the requests' thinking reports.
"""

import asyncio
import math
import signal
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from vllm.logger import init_logger

from server.api import control
from server.api.errors import error_response
from server.api.paths import route_path
from server.engine.client.engine import ThinkingLLM

LOGGER = init_logger("vllm.s1_serve")
"""A logger of vLLM's hierarchy, for its log format."""
PROBES = frozenset({"/health", "/ping"})
POLL_INTERVAL_S = 0.05
ERROR_DELIVERY_S = 2.0
"""Time for the errors of requests that were cut off to reach their clients."""


class Drain:
    """Counts the running requests, and decides when the server exits."""

    def __init__(self, engine: ThinkingLLM, limit_s: float) -> None:
        self.running = 0
        self._engine = engine
        self._limit_s = limit_s
        self._deadline: float | None = None
        self._stopping: asyncio.Task[None] | None = None

    def listen(self, server: Any) -> None:
        """Install the signal handlers; `server` is uvicorn's, which is told to exit at the end."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop, server, self._limit_s)
        loop.add_signal_handler(signal.SIGINT, self._stop, server, 0.0)

    @property
    def left_s(self) -> float | None:
        """Seconds until running requests are cut off; None while the server is not stopping."""
        if self._deadline is None:
            return None
        return max(0.0, self._deadline - asyncio.get_running_loop().time())

    def _stop(self, server: Any, limit_s: float) -> None:
        now = asyncio.get_running_loop().time()
        if self._stopping is not None:  # the second signal
            self._deadline = now
            return
        self._deadline = now + limit_s
        self._stopping = asyncio.create_task(self._run(server))

    async def _run(self, server: Any) -> None:
        if self._is_busy:
            LOGGER.warning("stopping: %d requests have %.0f s to finish", self.running, self.left_s)
        while self._is_busy and self.left_s:
            await asyncio.sleep(POLL_INTERVAL_S)
        if self._is_busy:
            LOGGER.warning("stopping: %d requests are cut off", self.running)
            self._engine.cut_off()
        for _ in range(int(ERROR_DELIVERY_S / POLL_INTERVAL_S)):
            if not self.running:
                break
            await asyncio.sleep(POLL_INTERVAL_S)
        server.should_exit = True

    @property
    def _is_busy(self) -> bool:
        """Whether requests run, including background responses, which have no connection."""
        return bool(self.running or self._engine.get_num_unfinished_requests())


class DrainMiddleware:
    """The first middleware: answers requests while the server is stopping."""

    def __init__(self, app: ASGIApp, drain: Drain) -> None:
        self.app = app
        self._drain = drain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse new POST requests while stopping; control requests and GET requests still pass."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = route_path(scope)
        left_s = self._drain.left_s
        if left_s is not None and path in PROBES:
            await JSONResponse({"status": "stopping"}, 503)(scope, receive, send)
        elif scope["method"] != "POST" or path == control.PATH:
            await self.app(scope, receive, send)
        elif left_s is not None:
            headers = {"Retry-After": str(max(1, math.ceil(left_s))), "Connection": "close"}
            message = "The server is stopping and takes no new requests."
            await error_response(path, 503, message, headers=headers)(scope, receive, send)
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._drain.running += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self._drain.running -= 1
