"""A response on its way out, completed: a JSON body as a whole, a stream of server-sent events one by one.

A stream begins when its first token has come: what fails before is told as if there were no stream.
"""

import json
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Send

from server.api.failures import Failure, failure_in
from server.api.responses import Completion, dump, split_delta
from server.engine.client.call import Call

EVENT_END = b"\n\n"
ERROR = b'data: {"error"'
_OF_THE_BODY = (b"content-length", b"content-type")


class ResponseCompleter:
    """Passes the response to a request of `path` on. `completion` None: as it is, but for its errors."""

    def __init__(self, send: Send, completion: Completion | None, path: str, call: Call) -> None:
        self._send = send
        self._completion = completion
        self._path = path
        self._call = call
        self._start: Message = {}
        self._is_stream = False
        self._has_started = False
        self._is_over = False
        self._buffer = b""
        self._events_sent = 0

    async def __call__(self, message: Message) -> None:
        """Pass one ASGI message on."""
        if self._is_over:
            return
        if message["type"] == "http.response.start":
            self._start = message
            content_type = MutableHeaders(raw=message["headers"]).get("content-type", "")
            self._is_stream = content_type.startswith("text/event-stream")
            return
        if message["type"] != "http.response.body":
            await self._send(message)
            return
        body = message.get("body", b"")
        if self._has_started and not self._buffer and self._is_complete(body):
            self._events_sent += 1
            await self._send(message)
            return
        self._buffer += body
        more = message.get("more_body", False)
        if not self._is_stream:
            if not more:
                await self._send_whole()
        elif self._has_started or self._completion is None or self._call.has_output or not more:
            await self._send_events(message, more=more)
        elif (failure := self._first_failure()) is not None:
            await self._end_with(failure)

    def _is_complete(self, body: bytes) -> bool:
        """Whether it is one event, or several that were written as one, in which nothing is to be changed."""
        completion = self._completion
        if completion is None or not body.endswith(EVENT_END):
            return False
        if completion.has_written:
            return not body.startswith(ERROR)
        return body.count(EVENT_END) == 1 and completion.leaves(body)

    async def fail(self, error: Exception) -> None:
        """The response ends with what vLLM raised. Raises it again where there is no way left to say it."""
        failure = Failure.of(error, self._call)
        if not self._has_started:
            await self._end_with(failure)
        elif self._is_stream and not self._is_over:
            event = failure.event(self._path, self._events_sent)
            name = b"event: error\n" if "type" in event else b""
            self._is_over = True
            await self._send(
                {"type": "http.response.body", "body": name + b"data: " + dump(event) + EVENT_END}
            )
        else:
            raise error

    async def _end_with(self, failure: Failure) -> None:
        self._is_over = self._has_started = True
        response = failure.response(self._path)
        theirs = [each for each in self._start.get("headers", ()) if each[0].lower() not in _OF_THE_BODY]
        headers = [*theirs, *response.raw_headers]
        await self._send({"type": "http.response.start", "status": failure.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": response.body})

    def _first_failure(self) -> Failure | None:
        """What stands in the place of the first token."""
        for event in self._buffer.split(EVENT_END)[:-1]:
            for line in event.split(b"\n"):
                if line.startswith(b"data: ") and (parsed := _object(line[6:])) is not None:
                    failure = failure_in(parsed, None)
                    if failure is not None:
                        return failure.blamed(self._call)
        return None

    async def _send_events(self, message: Message, *, more: bool) -> None:
        if not self._has_started:
            if (failure := self._first_failure()) is not None:
                await self._end_with(failure)
                return
            self._has_started = True
            await self._send(self._start)
        await self._send({**message, "body": self._events(flush=not more)})

    def _events(self, *, flush: bool) -> bytes:
        *events, self._buffer = self._buffer.split(EVENT_END)
        out = b"".join(done + EVENT_END for event in events if (done := self._event(event)))
        if flush:
            out, self._buffer = out + self._buffer, b""
        return out

    def _event(self, event: bytes) -> bytes:
        """An event is lines; the one that begins with `data: ` holds the JSON. Empty: it is not sent."""
        if self._completion is None:
            return event
        lines = []
        for line in event.split(b"\n"):
            if not line.startswith(b"data: ") or (parsed := _object(line[6:])) is None:
                lines.append(line)
                continue
            if self._completion.drops(parsed):
                return b""
            self._events_sent += 1
            if self._completion.has_written and failure_in(parsed, None) is None:
                lines.append(line)
                continue
            parts = [self._told(part, self._completion) for part in split_delta(parsed)]
            lines.append(EVENT_END.join(b"data: " + dump(part) for part in parts))
        return b"\n".join(lines)

    def _told(self, event: dict[str, Any], completion: Completion) -> dict[str, Any]:
        failure = failure_in(event, None)
        if failure is None:
            return completion.event(event)
        return failure.blamed(self._call).event(self._path, self._events_sent - 1)

    async def _send_whole(self) -> None:
        body, status = self._buffer, self._start["status"]
        parsed = _object(body)
        if parsed is not None and status >= 400 and (failure := failure_in(parsed, status)) is not None:
            await self._end_with(failure.blamed(self._call))
            return
        if parsed is not None and self._completion is not None:
            body = dump(self._completion.whole(parsed))
        self._has_started = self._is_over = True
        MutableHeaders(raw=self._start["headers"])["content-length"] = str(len(body))
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": body})


def _object(raw: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(raw)
    except ValueError:  # "[DONE]"
        return None
    return value if isinstance(value, dict) else None
