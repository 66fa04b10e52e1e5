"""How large and how deep a request's body may be, looked at piece by piece as it arrives.

Whoever reads a body as JSON (we, vLLM, pydantic) does so in one go on the event loop, where every stream
waits: what would take long is refused before anybody parses it.
"""

import json
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.api.body import Replay
from server.api.errors import error_response
from server.api.paths import route_path
from server.limits import RequestLimits

FORMS = "/v1/audio/"
"""Where vLLM's routes that take forms are: everywhere else a body is read as JSON, whatever it says it is."""
DISCARD_FACTOR = 4
"""Of a body that is refused so many times the limit is read and thrown away: a client that still sends does
not read the answer."""
ENCODING_BYTES = 4
"""So many tell the encoding of JSON."""
_OPENING, _CLOSING = b"[{", b"]}"
_BRACKETS = _OPENING + _CLOSING
_NOT_BRACKETS = bytes(set(range(256)) - set(_BRACKETS))


@dataclass(frozen=True, slots=True)
class Excess:
    """Why a body is refused."""

    status: int
    message: str


class JSONShape:
    """Counts what JSON is made of, without parsing it. Of bytes that are no JSON it says something, too."""

    __slots__ = ("_carry", "_depth", "_in_string", "_start", "depth", "keys", "values")

    def __init__(self) -> None:
        self.keys = self.values = self.depth = self._depth = 0
        self._in_string = False
        self._carry = self._start = b""

    @property
    def is_utf8(self) -> bool:
        """Whether Python reads it as UTF-8; in UTF-16 and UTF-32, which it reads too, nothing is counted."""
        return json.detect_encoding(self._start).startswith("utf-8")

    def feed(self, piece: bytes) -> None:
        """The next bytes."""
        if len(self._start) < ENCODING_BYTES:
            self._start = (self._start + piece)[:ENCODING_BYTES]
        piece = self._carry + piece
        self._carry = b""
        if b"\\" in piece:
            piece = piece.replace(b"\\\\", b"").replace(b'\\"', b"")
            if piece.endswith(b"\\"):
                piece, self._carry = piece[:-1], b"\\"
        parts = piece.split(b'"')
        outside = b"".join(parts[int(self._in_string) :: 2])
        self._in_string ^= len(parts) % 2 == 0
        brackets = outside.translate(None, _NOT_BRACKETS)
        opened = brackets.count(b"[") + brackets.count(b"{")
        keys = outside.count(b":")
        self.keys += keys + opened
        self.values += keys + opened + outside.count(b",")
        for bracket in brackets:
            self._depth += 1 if bracket in _OPENING else -1
            if self._depth > self.depth:
                self.depth = self._depth


class BodyLimitMiddleware:
    """In front of everything that reads a body. Of forms only the bytes count."""

    def __init__(self, app: ASGIApp, limits: RequestLimits) -> None:
        self.app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Reads the body, and passes it on whole, or refuses it."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self.app(scope, receive, send)
            return
        path = route_path(scope)
        is_form = path.startswith(FORMS) and _is_multipart(Headers(scope=scope))
        body, excess = await self._read(receive, None if is_form else JSONShape())
        if excess is not None:
            refusal = error_response(path, excess.status, excess.message, headers={"Connection": "close"})
            await refusal(scope, receive, send)
        elif body is not None:
            await self.app(scope, Replay(body, receive), send)

    async def _read(self, receive: Receive, shape: JSONShape | None) -> tuple[bytes | None, Excess | None]:
        """(the body, None), (None, why it is refused), or (None, None) of a client that left."""
        pieces: list[bytes] = []
        excess: Excess | None = None
        size, more = 0, True
        while more and size <= DISCARD_FACTOR * self._limits.max_body_bytes:
            message: Message = await receive()
            if message["type"] == "http.disconnect":
                return None, None
            piece: bytes = message.get("body", b"")
            more = message.get("more_body", False)
            size += len(piece)
            if excess is None:
                if shape is not None:
                    shape.feed(piece)
                pieces.append(piece)
                excess = self._excess(size, shape)
            if excess is not None:
                pieces.clear()
        return b"".join(pieces), excess

    def _excess(self, size: int, shape: JSONShape | None) -> Excess | None:
        limits = self._limits
        if size > limits.max_body_bytes:
            most = limits.max_body_bytes
            return Excess(413, f"the request body has more than {most} bytes (the server's --max-body-bytes)")
        if shape is None:
            return None
        if not shape.is_utf8:
            return Excess(400, "the request body must be JSON in UTF-8")
        for found, most, what, flag in (
            (shape.depth, limits.max_body_depth, "levels of objects and lists", "depth"),
            (shape.keys, limits.max_body_keys, "keys, objects and lists", "keys"),
            (shape.values, limits.max_body_values, "values", "values"),
        ):
            if found > most:
                return Excess(
                    400, f"the request body has more than {most} {what} (the server's --max-body-{flag})"
                )
        return None


def _is_multipart(headers: Headers) -> bool:
    return headers.get("content-type", "").lower().startswith("multipart/")
