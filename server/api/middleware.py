"""The budget's way through HTTP: read from a request before vLLM's route, reported in the response behind it.

Plain ASGI, so that a client that goes away is seen by vLLM's route as it would be without us.
"""

import json
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.api.allowances import Allowance
from server.api.authentication import key_of
from server.api.errors import error_response
from server.api.requests import PATHS, default_call, read_request
from server.api.responses import Completion, ReasoningField, parted
from server.api.scaling import ScalingEdge, ScalingMeans
from server.budget.budget import BudgetError
from server.engine.call import CALL, Call
from server.reasoning.families import Family
from server.settings import Settings
from server.watch.watch import Watch

EVENT_END = b"\n\n"
MODELS_PATH = "/v1/models"


class ThinkingMiddleware:
    """Stands directly in front of vLLM's routes, behind authentication."""

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        family: Family | None,
        watch: Watch,
        allowances: Mapping[str | None, Allowance],
        scaling: ScalingMeans,
    ) -> None:
        self.app = app
        self._watch = watch
        self._allowances = allowances
        self._scaling = scaling
        self._reasoning = ReasoningField(settings.reasoning_field, family)
        self._scale = ScalingEdge(app, self._reasoning, scaling, watch)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Governs POSTs; everything else passes."""
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        if scope["type"] == "http" and scope["method"] == "GET" and path == MODELS_PATH:
            await self.app(scope, receive, _Completer(send, Completion(Call(), self._reasoning)))
            return
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        key = key_of(scope)
        allowance = self._allowances[key.name if key else None]
        send = allowance.on(send)
        if path in PATHS:
            await self._read(path, scope, receive, send, allowance)
        else:
            call = default_call(allowance.defaults)
            _bind(scope, call, allowance)
            await self._serve(scope, receive, send, call)

    async def _read(
        self, path: str, scope: Scope, receive: Receive, send: Send, allowance: Allowance
    ) -> None:
        raw, disconnect = await _read_body(receive)
        if disconnect is not None:
            return
        try:
            request = read_request(path, raw, allowance.defaults, self._scaling.defaults)
            if request is not None:
                allowance.check(request.call)
        except BudgetError as error:
            if error.field:  # without one it is no budget that was wrong
                self._watch.refuse(path, error.field)
            await error_response(path, 400, str(error), error.field or None)(scope, receive, send)
            return
        if request is None:
            await self.app(scope, _Replay(raw, receive), send)
            return
        if allowance.is_spent and request.call.budget.max_tokens != 0:
            await allowance.refusal(path)(scope, receive, send)
            return
        scope["headers"] = [
            (name, str(len(request.body)).encode() if name == b"content-length" else value)
            for name, value in scope["headers"]
        ]
        _bind(scope, request.call, allowance)
        receive = _Replay(request.body, receive)
        if request.scaled is not None:
            await self._scale(scope, receive, send, request.call, request.scaled)
            return
        completer = _Completer(send, Completion(request.call, self._reasoning))
        await self._serve(scope, receive, completer, request.call)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, call: Call) -> None:
        token = CALL.set(call)
        try:
            await self.app(scope, receive, send)
        finally:
            CALL.reset(token)
            if call.refused is not None:
                self._watch.refuse(scope["path"], call.refused)


def _bind(scope: Scope, call: Call, allowance: Allowance) -> None:
    """To the request that it came with, and to whom it is charged."""
    call.owner, call.meter = allowance.owner, allowance.meter
    call.asked = call.asked or allowance.is_limited
    call.state = scope.setdefault("state", {})


class _Replay:
    """The body that was read already, once; then the connection itself (disconnects)."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


class _Completer:
    """Passes a response on, completed: a JSON body as a whole, a stream event by event."""

    def __init__(self, send: Send, completion: Completion) -> None:
        self._send = send
        self._completion = completion
        self._start: Message = {}
        self._is_stream = False
        self._buffer = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            content_type = MutableHeaders(raw=message["headers"]).get("content-type", "")
            self._is_stream = content_type.startswith("text/event-stream")
            if self._is_stream:
                await self._send(message)
            return
        if message["type"] != "http.response.body":
            await self._send(message)
            return
        self._buffer += message.get("body", b"")
        more = message.get("more_body", False)
        if self._is_stream:
            await self._send({**message, "body": self._events(flush=not more)})
        elif not more:
            await self._send_whole()

    def _events(self, *, flush: bool) -> bytes:
        *events, self._buffer = self._buffer.split(EVENT_END)
        out = b"".join(self._event(event) + EVENT_END for event in events)
        if flush:
            out, self._buffer = out + self._buffer, b""
        return out

    def _event(self, event: bytes) -> bytes:
        """An event is lines; the one that begins with `data: ` holds the JSON."""
        return b"\n".join(
            EVENT_END.join(b"data: " + _dump(self._completion.event(part)) for part in parted(parsed))
            if line.startswith(b"data: ") and (parsed := _object(line[6:])) is not None
            else line
            for line in event.split(b"\n")
        )

    async def _send_whole(self) -> None:
        body = self._buffer
        if (parsed := _object(body)) is not None:
            body = _dump(self._completion.whole(parsed))
        MutableHeaders(raw=self._start["headers"])["content-length"] = str(len(body))
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": body})


async def _read_body(receive: Receive) -> tuple[bytes, Message | None]:
    chunks = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"", message
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks), None


def _object(raw: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(raw)
    except ValueError:  # "[DONE]"
        return None
    return value if isinstance(value, dict) else None


def _dump(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
