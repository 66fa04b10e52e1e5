"""An application of Ray Serve whose replicas each own an `s1-serve` (ray[serve]; run with 2.60).

    cd docker/ray
    serve run --working-dir . s1_replicas:app replicas=2 gpus=1 flags="--model Qwen/Qwen3-8B"

Ray Serve balances, restarts what has died and drains what it stops; budgets, metrics and the API are the
server's own. `s1-serve` must be on the PATH of every node, or be named by `command`.
"""

import asyncio
import os
import shlex
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
from ray import serve
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

HOP_BY_HOP = frozenset(
    (b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"te", b"trailers")
) | {b"transfer-encoding", b"upgrade"}
"""RFC 9110, 7.6.1: of one connection, not of the message."""
STOPS_WITHIN_S = 80
"""s1-serve's own --shutdown-timeout is 20."""
HANGS_UP_S = 2
"""uvicorn hangs up on a connection that was idle for 5."""
DEFAULTS: dict[str, Any] = {
    "replicas": 1,
    "gpus": 0,
    "cpus": 1,
    "flags": "",
    "command": "s1-serve",
    "at_once": 256,
    "ready_within_s": 1800,
}

Headers = list[tuple[bytes, bytes]]


@serve.deployment(health_check_period_s=5, health_check_timeout_s=30, graceful_shutdown_timeout_s=3600)
class Replica:
    """One `s1-serve` on a port of its own, which ends with the replica whatever ends it."""

    async def __init__(self, command: str, flags: str, ready_within_s: float) -> None:
        """Start the server and wait for it.

        Raises:
            RuntimeError: It has ended, or was not ready in time; its log is the replica's.
        """
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        words = [*shlex.split(command), *shlex.split(flags), "--host", "127.0.0.1", "--port", str(port)]
        # A replica that is killed takes its server along.
        setpriv = shutil.which("setpriv")
        mortal = [setpriv, "--pdeathsig", "KILL"] if setpriv else []
        self._process = subprocess.Popen([*mortal, *words], start_new_session=True)
        limits = httpx.Limits(max_connections=None, keepalive_expiry=HANGS_UP_S)
        self._server = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=None, limits=limits)
        await self._until_ready(ready_within_s)

    async def __call__(self, request: Request) -> Response:
        """The server's own response, piece by piece as it comes."""
        path = request.scope["raw_path"].partition(b"?")[0]
        query = request.scope["query_string"]
        url = self._server.base_url.copy_with(raw_path=path + (b"?" + query if query else b""))
        headers = _of_message(request.headers.raw, without=(b"host", b"content-length"))
        if not any(name == b"accept-encoding" for name, _ in headers):
            headers.append((b"accept-encoding", b"identity"))
        asked = httpx.Request(
            request.method, url, headers=[(b"host", url.netloc), *headers], content=await request.body()
        )
        try:
            reply = await self._server.send(asked, stream=True)
        except httpx.TransportError:
            gone = '{"error": {"message": "the server of this replica is gone", "code": 503}}'
            return Response(gone, 503, media_type="application/json")
        response = StreamingResponse(_pieces(reply), reply.status_code)
        response.raw_headers = _of_message(reply.headers.raw, without=(b"date", b"server"))
        return response

    async def check_health(self) -> None:
        """Called by Ray Serve, which replaces a replica whose check raises.

        Raises:
            RuntimeError: The server has ended.
            httpx.HTTPError: It does not answer, or answers that it is not healthy.
        """
        if self._process.poll() is not None:
            raise RuntimeError(f"s1-serve ended with {self._process.returncode}")
        if (reply := await self._server.get("/health", timeout=20)).status_code >= 500:
            reply.raise_for_status()  # a 401 is a server's that wants a key for it

    async def __del__(self) -> None:
        """Called by Ray Serve when the replica's last request has ended, or its grace period has."""
        await self._server.aclose()
        self._process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(self._process.wait, STOPS_WITHIN_S)

    async def _until_ready(self, within_s: float) -> None:
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            try:
                await self.check_health()
            except httpx.HTTPError:
                await asyncio.sleep(1)
            else:
                return
        os.killpg(self._process.pid, signal.SIGKILL)
        raise RuntimeError(f"s1-serve was not ready within {within_s:.0f} s")


def _of_message(headers: Sequence[tuple[bytes, bytes]], without: Sequence[bytes]) -> Headers:
    pairs = ((name.lower(), value) for name, value in headers)
    return [(name, value) for name, value in pairs if name not in HOP_BY_HOP and name not in without]


async def _pieces(reply: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for piece in reply.aiter_raw():
            yield piece
    finally:
        await reply.aclose()


def app(arguments: dict[str, Any]) -> serve.Application:
    """The application.

    Args:
        arguments: `replicas`; `gpus` and `cpus` of each; `flags` of s1-serve; `command`, "s1-serve" itself;
            `at_once`, the requests that one replica is given; `ready_within_s`.

    Raises:
        ValueError: An argument that is none of these, or flags for what replicas do by themselves.
    """
    if unknown := arguments.keys() - DEFAULTS.keys():
        raise ValueError(f"{', '.join(sorted(unknown))}: the arguments are {', '.join(DEFAULTS)}")
    given = {**DEFAULTS, **arguments}
    if secure := [word for word in shlex.split(str(given["flags"])) if word.startswith("--ssl-")]:
        raise ValueError(f"flags: {secure[0]}: between Ray Serve and its server there is no TLS")
    replica = Replica.options(
        num_replicas=int(given["replicas"]),
        max_ongoing_requests=int(given["at_once"]),
        ray_actor_options={"num_cpus": float(given["cpus"]), "num_gpus": float(given["gpus"])},
    )
    return replica.bind(str(given["command"]), str(given["flags"]), float(given["ready_within_s"]))
