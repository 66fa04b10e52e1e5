"""Completes responses on their way out: a JSON body as a whole, a stream of server-sent events one by one."""

import json
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Send

from server.api.responses import Completion, split_delta

EVENT_END = b"\n\n"


class ResponseCompleter:
    """An ASGI `send` that completes a JSON body as a whole and a stream event by event."""

    def __init__(self, send: Send, completion: Completion) -> None:
        self._send = send
        self._completion = completion
        self._start: Message = {}
        self._is_stream = False
        self._buffer = b""

    async def __call__(self, message: Message) -> None:
        """Buffer, complete and send one ASGI message."""
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
        """Complete one event; the line that begins with `data: ` holds the JSON."""
        return b"\n".join(
            EVENT_END.join(b"data: " + dump(self._completion.event(part)) for part in split_delta(parsed))
            if line.startswith(b"data: ") and (parsed := _object(line[6:])) is not None
            else line
            for line in event.split(b"\n")
        )

    async def _send_whole(self) -> None:
        body = self._buffer
        if (parsed := _object(body)) is not None:
            body = dump(self._completion.whole(parsed))
        MutableHeaders(raw=self._start["headers"])["content-length"] = str(len(body))
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": body})


def _object(raw: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(raw)
    except ValueError:  # "[DONE]"
        return None
    return value if isinstance(value, dict) else None


def dump(value: dict[str, Any]) -> bytes:
    """Compact JSON in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
