"""Three servers with one store behind the shipped nginx, watched: one is drained, one killed."""

import asyncio
import json
import random
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import pytest

from server.keys.simulation.fleet import Fleet, simulate
from server.keys.simulation.virtual_time import run_virtually
from tests.conftest import MORTAL, ServerProcess, free_port
from tests.docker.board import DOCKER
from tests.docker.watching import Prometheus, installed_prometheus, until, watching
from tests.server.keys.store.real_store import RealStore, valkey

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(1800)]

CONFIG = DOCKER / "nginx" / "s1-server.conf"
CHAT, CONTROL = "/v1/chat/completions", "/v1/chat/completions/control"
LEASE = 128
AT_ONCE = 12
BUDGETS: tuple[Any, ...] = (
    0,
    40,
    {"num_waits": 2},
    {"min_tokens": 150, "max_tokens": 200},
    {"min_tokens": 400},
)
ABOUT_170 = ({"min_tokens": 150, "max_tokens": 200},)
"""Tokens of thinking."""
FILE = """
[steady]
key = "sk-steady"
quota_tokens = 10_000_000
quota_window_s = 86_400
[drained]
key = "sk-drained"
quota_tokens = 10_000_000
quota_window_s = 86_400
[tight]
key = "sk-tight"
quota_tokens = 5_000
quota_window_s = 86_400
[killed]
key = "sk-killed"
quota_tokens = 10_000_000
quota_window_s = 86_400
"""
MAIN = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/s1-server.conf;
}}
"""


def nginx_of_debian(folder: Path) -> Path:
    """Its program, unpacked into the folder."""
    if shutil.which("apt-get") is None:
        pytest.skip("nginx is taken from Debian's archive: there is no apt-get")
    subprocess.run(["apt-get", "download", "-qq", "nginx"], cwd=folder, check=True, timeout=300)
    (package,) = folder.glob("nginx_*.deb")
    subprocess.run(["dpkg", "-x", str(package), str(folder / "root")], check=True, timeout=60)
    return folder / "root" / "usr" / "sbin" / "nginx"


def addressed(text: str, port: int, servers: list[str], *, by_key: bool) -> str:
    """The shipped file with addresses in the place of compose's names, as it tells its readers to."""
    one = "    server {} max_fails=0;"
    named = "\n".join(one.format(server.removeprefix("http://")) for server in servers)
    text, found = re.subn(r"    server server:8000 resolve .*;", named, text)
    assert found == 1
    text, found = re.subn(r"    (zone|resolver) .*;\n", "", text)
    assert found == 2
    if by_key:
        text = text.replace("    least_conn;\n", "").replace("    # hash ", "    hash ")
    return text.replace("listen 8080;", f"listen 127.0.0.1:{port};")


@contextmanager
def balancing(program: Path, folder: Path, servers: list[str], *, by_key: bool) -> Iterator[str]:
    """The balancer's address."""
    folder.mkdir()
    port = free_port()
    (folder / "s1-server.conf").write_text(addressed(CONFIG.read_text(), port, servers, by_key=by_key))
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder))
    command = [str(program), "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    subprocess.run([*command, "-t"], check=True, timeout=60)
    process = subprocess.Popen([*MORTAL, *command])
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: httpx.get(f"{url}/health").status_code == 200, 60)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=60)


@dataclass
class Cluster:
    """The servers, and what stands around them."""

    store: RealStore
    servers: list[ServerProcess]
    nginx: Path
    folder: Path
    prometheus: Prometheus
    url: str = ""

    def settled(self, name: str) -> int:
        """What the store has charged once no process holds a lease."""
        seen = [self.store.used(name)]

        def is_calm() -> bool:
            seen.append(self.store.used(name))
            return len(seen) > 6 and len(set(seen[-6:])) == 1

        until(is_calm)
        return seen[-1]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "keys.toml").write_text(FILE)
    nginx = nginx_of_debian(folder)
    with valkey(tmp_path_factory.mktemp("store")) as store:
        environment = {"S1_API_KEYS_FILE": str(folder / "keys.toml"), "S1_QUOTA_STORE": store.url}
        flags = ["--quota-lease-tokens", str(LEASE)]
        servers = [ServerProcess(folder / f"server-{at}.log", flags, environment) for at in range(3)]
        try:
            for each in servers:
                each.wait_until_ready()
            urls = [each.url for each in servers]
            with (
                balancing(nginx, folder / "by-load", urls, by_key=False) as url,
                watching(installed_prometheus(), folder, urls) as prometheus,
            ):
                until(lambda: sum(prometheus.values('up{job="s1-server"}')) == 3)
                yield Cluster(store, servers, nginx, folder, prometheus, url)
        finally:
            for each in servers:
                if each.process.poll() is None:
                    each.stop()


@dataclass
class Told:
    """What clients were told, in thinking tokens.

    `lengths`: of what came whole. `torn`: of streams that ended before their end, those until then.
    """

    lengths: list[int] = field(default_factory=list)
    torn: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)

    def add(self, tokens: int) -> None:
        """One more came whole."""
        self.lengths.append(tokens)

    @property
    def tokens(self) -> int:
        """Of all that came whole."""
        return sum(self.lengths)

    @property
    def whole(self) -> int:
        """How many came whole."""
        return len(self.lengths)


async def load(url: str, key: str, count: int, told: Told, budgets: Sequence[Any] = BUDGETS) -> None:
    """So many requests, half of them streamed, AT_ONCE at a time."""
    rng, room = random.Random(count), asyncio.Semaphore(AT_ONCE)
    headers = {"authorization": f"Bearer {key}"}

    async def one(client: httpx.AsyncClient, number: int) -> None:
        body: dict[str, Any] = {
            "model": "s1-nano",
            "messages": [{"role": "user", "content": f"Find the smallest prime factor of {number + 100}."}],
            "thinking_budget": rng.choice(budgets),
            "temperature": 1.0,
        }
        async with room:
            if number % 2:
                await streamed(client, url, body, told)
                return
            answer = await client.post(url + CHAT, json=body)
            while answer.status_code == 503:  # on a busy machine the store may take longer than a second
                await asyncio.sleep(1)
                answer = await client.post(url + CHAT, json=body)
            if answer.status_code != 200:
                told.refused.append(answer.status_code)
            else:
                told.add(answer.json()["choices"][0]["thinking"]["tokens"])

    async with httpx.AsyncClient(timeout=300, headers=headers) as client:
        await asyncio.gather(*(one(client, number) for number in range(count)))


async def streamed(client: httpx.AsyncClient, url: str, body: dict[str, Any], told: Told) -> None:
    """A stream, which tells its usage as it goes."""
    options = {"include_usage": True, "continuous_usage_stats": True}
    seen, report = 0, None
    with suppress(httpx.RemoteProtocolError):
        async with client.stream(
            "POST", url + CHAT, json={**body, "stream": True, "stream_options": options}
        ) as stream:
            if stream.status_code == 503:
                await asyncio.sleep(1)
                await streamed(client, url, body, told)
                return
            if stream.status_code != 200:
                told.refused.append(stream.status_code)
                return
            async for line in stream.aiter_lines():
                if not line.startswith("data: {"):
                    continue
                event = json.loads(line[6:])
                if details := (event.get("usage") or {}).get("completion_tokens_details"):
                    seen = details["reasoning_tokens"]
                for choice in event.get("choices") or ():
                    report = choice.get("thinking") or report
    if report is None:
        told.torn.append(seen)
    else:
        told.add(report["tokens"])


def thinking_by_server(cluster: Cluster) -> list[float]:
    """Of each server, by its own count."""
    return [
        sum(
            float(line.split()[-1])
            for line in httpx.get(f"{each.url}/metrics", timeout=30).text.splitlines()
            if line.startswith("s1_thinking_tokens_total{")
        )
        for each in cluster.servers
        if each.process.poll() is None
    ]


def test_sums_of_clients_store_and_prometheus_are_equal_to_the_token(cluster: Cluster) -> None:
    told = Told()
    asyncio.run(load(cluster.url, "sk-steady", 90, told))
    assert (told.whole, told.torn, told.refused) == (90, [], [])
    by_server = thinking_by_server(cluster)
    assert all(by_server)
    assert cluster.settled("steady") == told.tokens == sum(by_server)
    until(lambda: cluster.prometheus.values("sum(s1_thinking_tokens_total)") == [told.tokens])


def store_calls(cluster: Cluster) -> float:
    """Of all servers, so far."""
    texts = [httpx.get(f"{each.url}/metrics", timeout=30).text for each in cluster.servers]
    return sum(
        float(line.split()[-1])
        for line in "\n".join(texts).splitlines()
        if line.startswith('s1_quota_store_calls_total{result="answered"}')
    )


def test_simulation_says_what_these_servers_did(cluster: Cluster) -> None:
    """What it says of a hundred servers is worth as much as this; docker/README.md has the error."""
    told, before, began = Told(), store_calls(cluster), time.monotonic()
    asyncio.run(load(cluster.url, "sk-tight", 60, told, ABOUT_170))
    charged, seconds = cluster.settled("tight"), time.monotonic() - began
    calls = store_calls(cluster) - before
    assert set(told.refused) == {429}
    assert charged == told.tokens
    rate = charged / seconds / AT_ONCE
    fleet = Fleet(
        servers=3,
        keys=1,
        clients=AT_ONCE,
        quota_tokens=5_000,
        lease_tokens=LEASE,
        tokens=[length for length in told.lengths if length >= 150],
        engine_tokens_per_s=100 * rate,
        stream_tokens_per_s=rate,
        edge_s_per_token=0.0,
        store_latency_s=0.001,
        store_work_s=0.00003,
        requests=60,
    )
    runs = [run_virtually(simulate(replace(fleet, seed=seed))) for seed in range(9)]
    guessed, overshot = median(run.store_calls for run in runs), median(run.overshoot[0] for run in runs)
    print(f"store calls {calls:.0f}, simulated {guessed}; overshoot {charged - 5_000}, simulated {overshot}")
    assert guessed == pytest.approx(calls, rel=0.4)
    assert 0 <= charged - 5_000 <= 3 * LEASE  # as long as a busy machine takes to pass on that it is spent
    assert 0 <= overshot <= 3 * AT_ONCE


def test_by_key_whatever_names_a_response_finds_the_server_that_made_it(cluster: Cluster) -> None:
    urls = [each.url for each in cluster.servers]
    headers = {"authorization": "Bearer sk-steady"}
    asked: dict[str, Any] = {"model": "s1-nano", "input": "Find the smallest prime factor of 91."}
    with (
        balancing(cluster.nginx, cluster.folder / "by-key", urls, by_key=True) as url,
        httpx.Client(base_url=url, headers=headers, timeout=120) as client,
    ):
        for _ in range(4):
            first = client.post("/v1/responses", json=asked).json()
            later = {**asked, "input": "And of 93?", "previous_response_id": first["id"]}
            assert client.post("/v1/responses", json=later).status_code == 200
            assert client.get(f"/v1/responses/{first['id']}").json()["id"] == first["id"]
        body = {
            "model": "s1-nano",
            "messages": [{"role": "user", "content": "Find the smallest prime factor of 391."}],
            "thinking_budget": {"min_tokens": 900},
            "stream": True,
        }
        ended = None
        with client.stream("POST", CHAT, json=body) as stream:
            for line in stream.iter_lines():
                if not line.startswith("data: {"):
                    continue
                event = json.loads(line[6:])
                if ended is None:
                    ended = client.post(CONTROL, json={"id": event["id"], "action": "end_thinking"}).json()
                report = event["choices"][0].get("thinking")
    assert ended == {"success": True}
    assert report["end"] == "requested"


def test_server_that_drains_loses_no_request_and_no_token(cluster: Cluster) -> None:
    told = Told()

    async def drain() -> None:
        running = asyncio.create_task(load(cluster.url, "sk-drained", 90, told))
        while told.whole < 15:
            await asyncio.sleep(0.05)
        assert await asyncio.to_thread(cluster.servers[0].stop) == 0
        assert not running.done()
        await running

    asyncio.run(drain())
    assert (told.whole, told.torn, told.refused) == (90, [], [])
    assert cluster.settled("drained") == told.tokens


def test_server_that_is_killed_loses_its_own_streams_and_at_most_a_lease(cluster: Cluster) -> None:
    told = Told()

    async def kill() -> None:
        running = asyncio.create_task(load(cluster.url, "sk-killed", 90, told))
        while told.whole < 15:
            await asyncio.sleep(0.05)
        cluster.servers[1].process.kill()
        await running

    asyncio.run(kill())
    cluster.servers[1].process.wait()
    # What had its first byte is torn; what had none is asked of another server, and thought once more.
    assert told.refused == []
    assert told.whole + len(told.torn) == 90
    charged = cluster.settled("killed")
    assert told.tokens <= charged <= told.tokens + AT_ONCE * 450 + LEASE
    assert len(thinking_by_server(cluster)) == 1
