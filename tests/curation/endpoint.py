"""A fake endpoint for testing the client's error handling: scripted responses and faults."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = dict[str, Any]


@dataclass(slots=True)
class Said:
    """A response; `status` 0 drops the connection."""

    text: str
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Fake:
    """`asked` holds the bodies in order; `answer` is called with (body, number of earlier requests)."""

    answer: Callable[[Body, int], Said]
    url: str = ""
    asked: list[Body] = field(default_factory=list)
    at_once: int = 0
    max_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def prompts(self) -> list[str]:
        return [body["messages"][-1]["content"] for body in self.asked]


def chat(content: str, thinking: str = "", finish_reason: str = "stop", **choice: Any) -> Said:
    message = {"role": "assistant", "content": content}
    if thinking:
        message["reasoning_content"] = thinking
    return Said(json.dumps({"choices": [{"message": message, "finish_reason": finish_reason, **choice}]}))


HTML = Said("<html><body>502 Bad Gateway</body></html>")


@contextmanager
def faked(answer: Callable[[Body, int], Said]) -> Iterator[Fake]:
    fake = Fake(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with fake.lock:
                before = len(fake.asked)
                fake.asked.append(body)
                fake.at_once += 1
                fake.max_at_once = max(fake.max_at_once, fake.at_once)
            said = fake.answer(body, before)
            with fake.lock:
                fake.at_once -= 1
            self.close_connection = not said.status
            if said.status:
                self._say(said)

        def _say(self, said: Said) -> None:
            self.send_response(said.status)
            data = said.text.encode()
            for name, value in {"content-length": str(len(data)), **said.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
