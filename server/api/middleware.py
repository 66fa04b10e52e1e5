"""Reads the budget from a request before vLLM's route, and adds the report to the response after it.

Plain ASGI, so that vLLM's route still sees a client disconnect.
"""

from collections.abc import Callable, Mapping

from starlette.types import ASGIApp, Receive, Scope, Send

from server.api.authentication import key_of
from server.api.body import Replay, read_body
from server.api.chat_chunks import COMPLETION
from server.api.errors import RequestError, error_response
from server.api.paths import route_path
from server.api.rate_limits import KeyLimits
from server.api.requests import COUNTING_PATHS, PATHS, default_call, read_request
from server.api.responses import Completion, ReasoningField
from server.api.routes import UPDATES
from server.api.scaling.edge import ScalingEdge, ScalingResources
from server.api.sse import ResponseCompleter
from server.budget.budget import BudgetError
from server.budget.parsing.keep import Keep
from server.engine.client.call import CALL, Call
from server.observability.telemetry import Telemetry
from server.reasoning.family import Family
from server.settings import Settings

MODELS_PATH = "/v1/models"
STORED_PATH = "/v1/responses/"


class ThinkingMiddleware:
    """The last middleware before vLLM's routes, after authentication."""

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        family: Family | None,
        telemetry: Telemetry,
        limits_by_key: Mapping[str | None, KeyLimits],
        scaling: ScalingResources,
        is_engine_dead: Callable[[], bool],
        reads_tools: bool,
        hides_tools: bool,
    ) -> None:
        self.app = app
        self._is_engine_dead = is_engine_dead
        self._telemetry = telemetry
        self._limits = limits_by_key
        self._scaling = scaling
        self._request_limits = settings.request_limits
        self._reads_tools = reads_tools
        self._hides_tools = hides_tools
        self._keep = None if settings.keep_thinking is None else Keep(settings.keep_thinking)
        self._presets = tuple(settings.presets)
        self._reasoning = ReasoningField(settings.reasoning_field, family)
        self._scale = ScalingEdge(app, self._reasoning, scaling, telemetry)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Apply budgets to POST requests; everything else passes unchanged."""
        path = route_path(scope)
        if scope["type"] == "http" and scope["method"] == "GET" and path == MODELS_PATH:
            completion = Completion(Call(), self._reasoning, presets=self._presets)
            await self.app(scope, receive, ResponseCompleter(send, completion, path, Call()))
            return
        key = key_of(scope)
        if scope["type"] == "http" and scope["method"] == "GET" and path.startswith(STORED_PATH):
            call = Call(key_name=key.name if key else None)
            await self._serve(scope, receive, ResponseCompleter(send, None, path, call), call)
            return
        if scope["type"] != "http" or scope["method"] != "POST" or path in UPDATES:
            await self.app(scope, receive, send)
            return
        limits = self._limits[key.name if key else None]
        send = limits.on(send)
        if path in PATHS:
            await self._read(path, scope, receive, send, limits)
        else:
            call = default_call(path, limits.defaults)
            await limits.refresh()
            self._bind(scope, call, limits)
            await self._serve(scope, receive, ResponseCompleter(send, None, path, call), call)

    async def _read(self, path: str, scope: Scope, receive: Receive, send: Send, limits: KeyLimits) -> None:
        raw, disconnect = await read_body(receive)
        if disconnect is not None:
            return
        try:
            request = read_request(
                path,
                raw,
                limits.defaults,
                self._scaling.defaults,
                self._request_limits,
                self._reasoning.family,
                reads_tools=self._reads_tools,
                hides_tools=self._hides_tools,
                keep=self._keep,
            )
            if request is not None:
                limits.check(request.call)
        except (BudgetError, RequestError) as error:
            if isinstance(error, BudgetError):
                self._telemetry.refuse(path, error.field)
            await error_response(path, 400, str(error), error.field)(scope, receive, send)
            return
        if request is None:
            await self.app(scope, Replay(raw, receive), send)
            return
        thinks = path not in COUNTING_PATHS and request.call.budget.max_tokens != 0
        if (refusal := await limits.refusal(path, thinks=thinks)) is not None:
            await refusal(scope, receive, send)
            return
        scope["headers"] = [
            (name, str(len(request.body)).encode() if name == b"content-length" else value)
            for name, value in scope["headers"]
        ]
        self._bind(scope, request.call, limits)
        receive = Replay(request.body, receive)
        if request.scaled is not None:
            completer = ResponseCompleter(send, None, path, request.call)
            try:
                await self._scale(scope, receive, completer, request.call, request.scaled)
            except Exception as error:  # noqa: BLE001 - the process's edge: whatever it was, the client is told
                await completer.fail(error)
            return
        completion = Completion(request.call, self._reasoning, hides_thinking=request.hides_thinking)
        completer = ResponseCompleter(send, completion, path, request.call)
        token = COMPLETION.set(completion)
        try:
            await self._serve(scope, receive, completer, request.call)
        finally:
            COMPLETION.reset(token)

    async def _serve(self, scope: Scope, receive: Receive, completer: ResponseCompleter, call: Call) -> None:
        token = CALL.set(call)
        try:
            await self.app(scope, receive, completer)
        except Exception as error:  # noqa: BLE001 - the process's edge: whatever it was, the client is told
            await completer.fail(error)
        finally:
            CALL.reset(token)
            if call.refused is not None:
                self._telemetry.refuse(scope["path"], call.refused)

    def _bind(self, scope: Scope, call: Call, limits: KeyLimits) -> None:
        """To the request that it came with, and to whom it is charged."""
        call.key_name, call.meter = limits.key_name, limits.meter
        call.asked = call.asked or limits.is_limited
        call.state = scope.setdefault("state", {})
        call.has_engine = self._is_engine_dead()  # then nothing is the request's fault
