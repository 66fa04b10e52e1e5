"""A fake of vLLM's scoring endpoints and of a judge, with scripted responses in their formats."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = dict[str, Any]


@dataclass(slots=True)
class FakeScorer:
    """`like` scores a text. `answer`, if set, is the whole response instead: (status, body)."""

    url: str = ""
    like: Callable[[str], float] = len
    answer: tuple[int, bytes] | None = None
    requests: list[tuple[str, Body, str]] = field(default_factory=list)


def shaped(path: str, body: Body, like: Callable[[str], float]) -> Body:
    """A response in vLLM's format."""
    usage = {"prompt_tokens": 5, "total_tokens": 5}
    if path == "/score":
        data = [
            {"index": at, "object": "score", "score": like(text)} for at, text in enumerate(body["text_2"])
        ]
        return {"data": list(reversed(data)), "usage": usage}
    text = body["messages"][-1]["content"]
    if path == "/classify":
        probs = [1 - like(text), like(text)]
        return {"data": [{"index": 0, "label": "x", "probs": probs, "num_classes": 2}], "usage": usage}
    if path == "/pooling":
        return {"data": [{"index": 0, "data": [[0.5, 0.5], [1 - like(text), like(text)]]}], "usage": usage}
    said = f"I checked it.\n\nScore: {like(text):g}"
    return {"choices": [{"message": {"role": "assistant", "content": said}}], "usage": usage}


class _Handler(BaseHTTPRequestHandler):
    # Close each connection: over a kept-alive one, a stopped scorer would still answer.
    protocol_version = "HTTP/1.0"
    fake: FakeScorer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.fake.requests.append((self.path, body, self.headers.get("Authorization", "")))
        status, data = self.fake.answer or (
            200,
            json.dumps(shaped(self.path, body, self.fake.like)).encode(),
        )
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def running(port: int = 0) -> Iterator[FakeScorer]:
    fake = FakeScorer()
    handler = type("Handler", (_Handler,), {"fake": fake})
    ThreadingHTTPServer.allow_reuse_address = True
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
