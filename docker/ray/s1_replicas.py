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
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
from ray import serve
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

HOP_BY_HOP = frozenset(
    ("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailers")
) | {"transfer-encoding", "upgrade", "host"}
"""RFC 9110, 7.6.1: of one connection, not of the message."""
STOPS_WITHIN_S = 80
"""s1-serve's own --shutdown-timeout is 20."""
DEFAULTS: dict[str, Any] = {
    "replicas": 1,
    "gpus": 0,
    "cpus": 1,
    "flags": "",
    "command": "s1-serve",
    "at_once": 256,
    "ready_within_s": 1800,
}


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
        words = [*shlex.split(command), "--host", "127.0.0.1", "--port", str(port), *shlex.split(flags)]
        # A replica that is killed takes its server along.
        setpriv = shutil.which("setpriv")
        mortal = [setpriv, "--pdeathsig", "KILL"] if setpriv else []
        self._process = subprocess.Popen([*mortal, *words], start_new_session=True)
        self._server = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=None, limits=httpx.Limits(max_connections=None)
        )
        await self._until_ready(ready_within_s)

    async def __call__(self, request: Request) -> Response:
        """The server's own response, piece by piece as it comes."""
        url = httpx.URL(request.url.path, query=request.url.query.encode())
        asked = self._server.build_request(
            request.method, url, headers=_of_message(request.headers), content=await request.body()
        )
        try:
            reply = await self._server.send(asked, stream=True)
        except httpx.TransportError:
            return Response('{"error": {"message": "the server of this replica is gone"}}', 503)
        headers = _of_message(reply.headers)
        return StreamingResponse(_pieces(reply), reply.status_code, headers)

    async def check_health(self) -> None:
        """Called by Ray Serve, which replaces a replica whose check raises."""
        (await self._server.get("/health", timeout=20)).raise_for_status()

    async def __del__(self) -> None:
        """Called by Ray Serve when the replica's last request has ended, or its grace period has."""
        await self._server.aclose()
        self._process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(self._process.wait, STOPS_WITHIN_S)

    async def _until_ready(self, within_s: float) -> None:
        for _ in range(int(within_s)):
            if self._process.poll() is not None:
                raise RuntimeError(f"s1-serve ended with {self._process.returncode}")
            try:
                if (await self._server.get("/health", timeout=5)).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(1)
        os.killpg(self._process.pid, signal.SIGKILL)
        raise RuntimeError(f"s1-serve was not ready within {within_s:.0f} s")


def _of_message(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in HOP_BY_HOP}


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
        ValueError: An argument that is none of these.
    """
    known = {"replicas": 1, "gpus": 0, "cpus": 1, "flags": "", "command": "s1-serve", "at_once": 256}
    given: dict[str, Any] = {**known, "ready_within_s": 1800, **arguments}
    if unknown := given.keys() - known.keys() - {"ready_within_s"}:
        raise ValueError(
            f"{', '.join(sorted(unknown))}: the arguments are {', '.join(known)}, ready_within_s"
        )
    replica = Replica.options(
        num_replicas=int(given["replicas"]),
        max_ongoing_requests=int(given["at_once"]),
        ray_actor_options={"num_cpus": float(given["cpus"]), "num_gpus": float(given["gpus"])},
    )
    return replica.bind(str(given["command"]), str(given["flags"]), float(given["ready_within_s"]))
