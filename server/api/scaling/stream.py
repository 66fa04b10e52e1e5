"""The stream of a scaled request: progress, then the answer, in chunks that any OpenAI client can read."""

import time
from collections.abc import Mapping
from typing import Any

from starlette.types import Send

from server.api.requests import ScaledRequest
from server.api.responses import INLINE, ReasoningField, dump
from server.api.sse import EVENT_END

Json = dict[str, Any]
HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]
_HEAD_FIELDS = ("created", "model", "service_tier", "system_fingerprint")


class Chunks:
    """Sends server-sent events; the HTTP response starts with the first one."""

    def __init__(
        self, send: Send, scaled: ScaledRequest, response_id: str, reasoning: ReasoningField
    ) -> None:
        self._send = send
        self._reasoning = reasoning
        self._shows_thinking = (
            reasoning.name != INLINE and scaled.fields.get("include_reasoning") is not False
        )
        self._thinking = ""
        """The thinking text sent so far."""
        self._shows_usage = bool((scaled.fields.get("stream_options") or {}).get("include_usage"))
        self._method = scaled.asked.name
        self.has_begun = False
        self._head: Json = {
            "id": response_id,
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": scaled.fields.get("model"),
        }

    async def send_progress(self, progress: Mapping[str, Any]) -> None:
        """Send a progress chunk, which clients that do not know `scaling` ignore.

        It holds thinking text if the method has a single chain, so that no later chunk has to take it back.
        """
        delta: Json = {} if self.has_begun else {"role": "assistant", "content": ""}
        fields = dict(progress)
        if (thinking := fields.pop("thinking", None)) and self._shows_thinking:
            delta["reasoning"] = thinking[len(self._thinking) :]
            self._thinking = thinking
            self._reasoning.put(delta)
        choice = {"index": 0, "delta": delta, "finish_reason": None}
        await self._send_chunk([choice], scaling={"method": self._method, "progress": fields})

    async def send_answer(self, body: Json) -> None:
        """Send a complete response: its thinking, its answer, its usage if requested, and the end."""
        self._head |= {key: body[key] for key in _HEAD_FIELDS if key in body}
        choice = dict(body["choices"][0])
        message = {"role": "assistant", **choice.pop("message")}
        answer: Json = {"content": message.pop("content", None) or ""}
        if calls := message.pop("tool_calls", None):
            answer["tool_calls"] = [{"index": at, **call} for at, call in enumerate(calls)]
        for name in ("reasoning", "reasoning_content"):
            if isinstance(message.get(name), str):
                message[name] = message[name].removeprefix(self._thinking)
        thinking = {key: value for key, value in message.items() if value not in (None, [], "")}
        await self._send_chunk([{"index": 0, "delta": thinking, "finish_reason": None}])
        await self._send_chunk([{**choice, "delta": answer}], scaling=body["scaling"])
        if self._shows_usage:
            await self._send_chunk([], usage=body["usage"])
        await self.send_end()

    async def send_error(self, envelope: bytes) -> None:
        """Send an error in the middle of a stream, and the end."""
        await self._send_event(envelope)
        await self.send_end()

    async def send_end(self) -> None:
        """End the stream as OpenAI does."""
        await self._send_event(b"[DONE]")
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_chunk(self, choices: list[Json], **more: Any) -> None:
        chunk = {**self._head, "choices": choices, **more}
        await self._send_event(dump(chunk))

    async def _send_event(self, data: bytes) -> None:
        if not self.has_begun:
            self.has_begun = True
            await self._send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        body = b"data: " + data + EVENT_END
        await self._send({"type": "http.response.body", "body": body, "more_body": True})
