"""Many chat requests to one server at once, read so cheaply that the reader is not what is measured.

One thread looks at all sockets every few milliseconds and counts bytes: no event is parsed.
"""

import json
import re
import select
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

LOOK_EVERY_S = 0.02
BUFFER_BYTES = 1 << 18
TAIL_BYTES = 4096
"""How much of a response's end is kept: the usage stands there."""
EVENT = b"data: "
_COMPLETION_TOKENS = re.compile(rb'"completion_tokens": ?(\d+)')


class BenchError(Exception):
    """What was to be measured did not run."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a server did with one batch of requests. `events`: server-sent ones, [DONE] included."""

    tokens: int
    events: int
    bytes: int
    seconds: float


@dataclass(slots=True)
class _Response:
    """One response as far as it has come."""

    socket: socket.socket
    head: bytes = b""
    tail: bytes = b""
    events: int = 0
    size: int = 0

    def take(self, piece: bytes) -> None:
        if len(self.head) < TAIL_BYTES:
            self.head += piece[:TAIL_BYTES]
        seen = self.tail[1 - len(EVENT) :] + piece  # an event's mark may be cut in two
        self.events += seen.count(EVENT)
        self.size += len(piece)
        self.tail = (self.tail + piece)[-TAIL_BYTES:]

    @property
    def tokens(self) -> int:
        """Output tokens, as the usage says.

        Raises:
            BenchError: There is none; it quotes the response.
        """
        told = _COMPLETION_TOKENS.findall(self.tail)
        if not self.head.startswith(b"HTTP/1.1 200") or not told:
            raise BenchError(f"no complete response: {self.head[:2000]!r} ... {self.tail[-500:]!r}")
        return int(told[-1])


@dataclass(slots=True)
class Batch:
    """Chat requests that are sent at once. `ask` sends them and reads all responses to their end."""

    url: str
    bodies: Sequence[Mapping[str, Any]]
    key: str = ""
    """The API key, if the server wants one."""
    _open: dict[int, _Response] = field(default_factory=dict)

    def ask(self) -> Load:
        """Returns what came. Raises BenchError where a response is not complete."""
        began = time.perf_counter()
        responses = [self._send(body) for body in self.bodies]
        self._open = {each.socket.fileno(): each for each in responses}
        poll = select.poll()
        for number in self._open:
            poll.register(number, select.POLLIN)
        while self._open:
            for number, _ in poll.poll(1000):
                self._read(number, poll)
            time.sleep(LOOK_EVERY_S)
        seconds = time.perf_counter() - began
        return Load(
            tokens=sum(each.tokens for each in responses),
            events=sum(each.events for each in responses),
            bytes=sum(each.size for each in responses),
            seconds=seconds,
        )

    def _send(self, body: Mapping[str, Any]) -> _Response:
        where = urlsplit(self.url)
        sent = json.dumps(body).encode()
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: {where.netloc}\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(sent)}\r\n"
        )
        head += f"Authorization: Bearer {self.key}\r\n\r\n" if self.key else "\r\n"
        connection = socket.create_connection((where.hostname, where.port))
        connection.sendall(head.encode() + sent)
        connection.setblocking(False)
        return _Response(connection)

    def _read(self, number: int, poll: select.poll) -> None:
        response = self._open[number]
        try:
            piece = response.socket.recv(BUFFER_BYTES)
        except BlockingIOError:
            return
        if piece:
            response.take(piece)
            return
        poll.unregister(number)
        response.socket.close()
        del self._open[number]
