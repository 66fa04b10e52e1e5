"""Reads a request's body ahead of the route, and replays it to the route."""

from starlette.types import Message, Receive


class Replay:
    """An ASGI `receive` that returns the body once, then forwards to the connection (disconnects)."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        """The body on the first call, then the connection's messages."""
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


async def read_body(receive: Receive) -> tuple[bytes, Message | None]:
    """The whole body and None, or, if the client disconnects first, b"" and the disconnect message."""
    chunks = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"", message
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks), None
