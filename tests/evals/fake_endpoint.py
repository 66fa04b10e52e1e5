"""A fake endpoint for testing the client's error handling: answers at once, with scripted faults."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = dict[str, Any]


@dataclass(slots=True)
class Answered:
    """A response; `status` 0 drops the connection."""

    body: Body
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    stream: list[Body] | None = None


@dataclass(slots=True)
class FakeEndpoint:
    """`requests` holds the bodies; `behave` is called with (body, number of earlier requests)."""

    url: str = ""
    requests: list[Body] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    behave: Callable[[Body, int], Answered] = lambda body, _: honest(body)
    delay_s: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)


def honest(body: Body, answer: str = "Final Answer: 7", thinking: str = "hm") -> Answered:
    """Responses like those of s1-serve: 50 thinking tokens, 20 more per Wait, cut at a maximum."""
    budget = body.get("thinking_budget") or {}
    limit = budget.get("max_tokens", -1)
    natural = max(50 + 20 * budget.get("num_waits", 0), budget.get("min_tokens", 0))
    cut = 0 <= limit < natural
    tokens = limit if cut else natural
    echo = {
        "tokens": tokens,
        "max_tokens": limit,
        "min_tokens": budget.get("min_tokens", 0),
        "num_waits": budget.get("num_waits", 0),
        "waits_used": 0 if cut else budget.get("num_waits", 0),
        "forced_tokens": 5 if cut else budget.get("num_waits", 0),
        "end": "max_tokens" if cut else "natural",
    }
    message = {"role": "assistant", "content": answer, "reasoning_content": thinking}
    usage = {"completion_tokens": tokens + 6, "completion_tokens_details": {"reasoning_tokens": tokens}}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "thinking": echo}
    return Answered({"model": body["model"], "choices": [choice], "usage": usage})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fake: FakeEndpoint

    def do_GET(self) -> None:
        known: dict[str, Body] = {
            "/v1/models": {"data": [{"id": "fake", "family": "think"}]},
            "/version": {"version": "1.2.3"},
        }
        self._send(Answered(known.get(self.path, {}), 200 if self.path in known else 404))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.fake.lock:
            before = len(self.fake.requests)
            self.fake.requests.append(body)
            self.fake.headers.append(dict(self.headers))
        time.sleep(self.fake.delay_s)
        answered = self.fake.behave(body, before)
        if answered.status == 0:
            self.close_connection = True
            return
        self._send(answered)

    def _send(self, answered: Answered) -> None:
        if answered.stream is None:
            data, kind = json.dumps(answered.body).encode(), "application/json"
        else:
            events = [json.dumps(event, ensure_ascii=False) for event in answered.stream] + ["[DONE]"]
            data, kind = "".join(f"data: {event}\n\n" for event in events).encode(), "text/event-stream"
        self.send_response(answered.status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in answered.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Ignore clients that disconnect."""


@contextmanager
def running() -> Iterator[FakeEndpoint]:
    endpoint = FakeEndpoint()
    handler = type("Handler", (_Handler,), {"fake": endpoint})
    server = _Server(("127.0.0.1", 0), handler)
    endpoint.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield endpoint
    server.shutdown()
    thread.join()
    server.server_close()
