"""A local fake of the Hugging Face hub's data set routes, as used by `datasets`.

The real client library talks to it (HF_ENDPOINT). Its responses follow the client's code and the hub's public
API description; they were not compared with the hub itself.
"""

import hashlib
import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CONVERTED = "refs/convert/parquet"
CONVERTED_COMMIT = COMMIT[::-1]

Repositories = Mapping[str, Mapping[str, bytes]]
"""By data set id: by path, a file's bytes."""


@contextmanager
def hub(repositories: Repositories, cache: Path) -> Iterator[dict[str, str]]:
    """The environment variables with which a process finds the data sets here and keeps its cache in `cache`.

    A loading script among the files is only on the main branch, not on the converted one.
    """

    class Handler(_Handler):
        files = repositories

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield {
            "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
            "HF_HOME": str(cache),
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    files: ClassVar[Repositories] = {}
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        known = self._files()[0] or {}
        self._json([_entry(path, known[path]) for path in body["paths"] if path in known])

    def _parts(self) -> list[str]:
        parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
        return parts[1:] if parts[0] == "api" else parts

    def _files(self) -> tuple[Mapping[str, bytes] | None, str]:
        """The data set's files at the requested revision, and its commit."""
        _, owner, name, *rest = self._parts()
        files = self.files.get(f"{owner}/{name}")
        if files is None or len(rest) < 2 or rest[1] not in (CONVERTED, CONVERTED_COMMIT):
            return files, COMMIT
        return {
            path: content for path, content in files.items() if not path.endswith(".py")
        }, CONVERTED_COMMIT

    def _answer(self, *, with_body: bool) -> None:
        files, commit = self._files()
        parts = self._parts()
        if files is None:
            self._missing("RepoNotFound")
        elif "resolve" in parts:
            self._content(files.get("/".join(parts[5:])), commit, with_body=with_body)
        elif "tree" in parts:
            folder = "/".join(parts[parts.index("tree") + 2 :])
            self._json(_listing(files, folder, recursive="recursive=true" in self.path.lower()))
        else:
            siblings = [{"rfilename": path} for path in files]
            flags = {"private": False, "gated": False, "disabled": False}
            self._json({"id": "/".join(parts[1:3]), "sha": commit, "siblings": siblings, "tags": [], **flags})

    def _content(self, content: bytes | None, commit: str, *, with_body: bool) -> None:
        if content is None:
            self._missing("EntryNotFound")
            return
        begin, end = 0, len(content)
        if ranged := self.headers.get("range"):
            first, last = ranged.removeprefix("bytes=").split("-")
            begin, end = int(first), min(int(last) + 1 if last else end, end)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", commit)
        self.send_header("Content-Length", str(end - begin))
        self.end_headers()
        if with_body:
            self.wfile.write(content[begin:end])

    def _json(self, value: Any) -> None:
        if value == []:
            self._missing("EntryNotFound")
            return
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _missing(self, code: str) -> None:
        self.send_response(404)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


def _listing(files: Mapping[str, bytes], folder: str, *, recursive: bool) -> list[dict[str, Any]]:
    """The entries of a folder: files and folders directly in it, or all files below it."""
    prefix = f"{folder}/" if folder else ""
    inside = {path: content for path, content in files.items() if path.startswith(prefix)}
    if recursive:
        return [_entry(path, content) for path, content in inside.items()]
    here = [_entry(path, content) for path, content in inside.items() if "/" not in path[len(prefix) :]]
    folders = {prefix + path[len(prefix) :].split("/")[0] for path in inside if "/" in path[len(prefix) :]}
    return [*here, *({"type": "directory", "path": one, "oid": one} for one in sorted(folders))]


def _entry(path: str, content: bytes) -> dict[str, Any]:
    return {"type": "file", "path": path, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}


def card(splits: Iterable[tuple[str, str]]) -> tuple[bytes, dict[tuple[str, str], str]]:
    """A data set card with each (configuration, split) and its file, and the files' paths."""
    paths = {(name, split): f"{name}/{split}.jsonl" for name, split in splits}
    lines = ["---", "configs:"]
    for configuration in dict.fromkeys(name for name, _ in paths):
        lines += [f"- config_name: {configuration}", "  data_files:"]
        for (name, split), path in paths.items():
            if name == configuration:
                lines += [f"  - split: {split}", f"    path: {path}"]
    return "\n".join([*lines, "---", ""]).encode(), paths
