"""A proxy before a server that keeps what passes, and changes nothing: for programs that log no bodies."""

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

NOT_PASSED_ON = frozenset({"connection", "content-length", "host", "keep-alive", "transfer-encoding"})


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its response, as they were sent."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    status: int
    response: bytes

    @property
    def asked(self) -> dict[str, Any]:
        """The request's JSON."""
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def events(self) -> list[dict[str, Any]]:
        """The JSON of each event of a streamed response; of another the whole."""
        if self.response.lstrip().startswith(b"{"):
            return [json.loads(self.response)]
        lines = [line[5:].strip() for line in self.response.decode().splitlines() if line.startswith("data:")]
        return [json.loads(line) for line in lines if line != "[DONE]"]


@dataclass(slots=True)
class Recorder:
    """What has passed, in the order in which the responses ended."""

    url: str = ""
    exchanges: list[Exchange] = field(default_factory=list)

    def to(self, path: str) -> list[Exchange]:
        """The requests to an endpoint; a query behind its path does not matter."""
        return [each for each in self.exchanges if each.path.partition("?")[0] == path]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    recorder: Recorder
    target: str

    def log_message(self, *_: Any) -> None:
        """Nothing: the exchanges are kept."""

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        sent = {name: value for name, value in self.headers.items() if name.lower() not in NOT_PASSED_ON}
        got = b""
        with httpx.stream(
            self.command, self.target + self.path, headers=sent, content=body, timeout=600
        ) as reply:
            self.send_response(reply.status_code)
            for name, value in reply.headers.items():
                if name not in NOT_PASSED_ON:
                    self.send_header(name, value)
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for chunk in filter(None, reply.iter_raw()):
                got += chunk
                self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
        headers = {name.lower(): value for name, value in self.headers.items()}
        exchange = Exchange(self.command, self.path, headers, body, reply.status_code, got)
        self.recorder.exchanges.append(exchange)

    do_GET = do_POST = _pass  # noqa: N815 - the names that http.server looks for


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client may go away at any time; what else fails is the test's to see."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def recording(target: str) -> Iterator[Recorder]:
    """A recorder on a free port, in front of the server at `target`."""
    recorder = Recorder()
    handler = type("Handler", (_Handler,), {"recorder": recorder, "target": target})
    with _Server(("127.0.0.1", 0), handler) as server:
        recorder.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield recorder
        finally:
            server.shutdown()
            thread.join()
