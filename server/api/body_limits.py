"""How large and how deep a request's body may be, looked at piece by piece as it arrives.

Whoever reads a body as JSON (we, vLLM, pydantic) does so in one go on the event loop, where every stream
waits: what would take long is refused before anybody parses it.
"""

from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.api.body import Replay
from server.api.errors import error_response
from server.api.paths import route_path
from server.limits import RequestLimits

DISCARD_FACTOR = 4
"""Of a body that is refused so many times the limit is read and thrown away: a client that still sends does
not read the answer."""
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

    __slots__ = ("_carry", "_depth", "_in_string", "depth", "keys", "values")

    def __init__(self) -> None:
        self.keys = self.values = self.depth = self._depth = 0
        self._in_string = False
        self._carry = b""

    def feed(self, piece: bytes) -> None:
        """The next bytes."""
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
    """In front of everything that reads a body. Of forms (/v1/audio) only the bytes count."""

    def __init__(self, app: ASGIApp, limits: RequestLimits) -> None:
        self.app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Reads the body, and passes it on whole, or refuses it."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self.app(scope, receive, send)
            return
        body, excess = await self._read(Headers(scope=scope), receive)
        if excess is not None:
            path = route_path(scope)
            refusal = error_response(path, excess.status, excess.message, headers={"Connection": "close"})
            await refusal(scope, receive, send)
        elif body is not None:
            await self.app(scope, Replay(body, receive), send)

    async def _read(self, headers: Headers, receive: Receive) -> tuple[bytes | None, Excess | None]:
        """(the body, None), (None, why it is refused), or (None, None) of a client that left."""
        shape = None if headers.get("content-type", "").startswith("multipart/") else JSONShape()
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
