"""Tokens and events are counted right however bytes are cut; what is no response is no measurement."""

import socketserver
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from evals.bench.streams import Batch, BenchError, Load

USAGE = b'data: {"choices":[],"usage":{"completion_tokens":12}}\n\n'
STREAM = [b"data: {}\n\n", b'data: {"a":"usage"}\n\n', USAGE, b"data: [DONE]\n\n"]


@contextmanager
def serving(pieces: Sequence[bytes], status: bytes = b"200 OK") -> Iterator[str]:
    """A server that answers every request with these pieces, one packet each, and hangs up."""

    class Answer(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            length = 0
            while (line := self.rfile.readline().strip().lower()) != b"":
                length = int(line.split()[1]) if line.startswith(b"content-length") else length
            self.rfile.read(length)
            self.wfile.write(b"HTTP/1.1 " + status + b"\r\n\r\n")
            for piece in pieces:
                self.wfile.write(piece)
                self.wfile.flush()
                time.sleep(0.03)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answer) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def cut(whole: bytes, size: int) -> list[bytes]:
    return [whole[at : at + size] for at in range(0, len(whole), size)]


@pytest.mark.parametrize("pieces", [STREAM, cut(b"".join(STREAM), 9), [b"".join(STREAM)]], ids=len)
def test_events_and_tokens_are_counted_however_they_are_cut(pieces: list[bytes]) -> None:
    with serving(pieces) as url:
        load = Batch(url, [{"n": 1}] * 3).ask()
    assert (load.tokens, load.events) == (36, 12)
    assert load == Load(36, 12, load.bytes, load.seconds)
    assert load.bytes >= 3 * len(b"".join(STREAM))


@pytest.mark.parametrize(
    ("pieces", "status"), [(STREAM[:2], b"200 OK"), (STREAM, b"400 Bad Request"), ([], b"200 OK")]
)
def test_response_that_is_cut_or_refused_is_no_measurement(pieces: list[bytes], status: bytes) -> None:
    with serving(pieces, status) as url, pytest.raises(BenchError, match="no complete response"):
        Batch(url, [{}]).ask()
