"""Two servers that count their quotas in one store: to the token, whoever is asked and whoever is killed."""

import asyncio
import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import ServerProcess
from tests.server.api.test_keys import BODY, CHAT, ENDLESS, ask, bearer, reports
from tests.server.keys.store.real_store import RealStore, valkey

pytestmark = [pytest.mark.engine, pytest.mark.slow]

LEASE = 128
NAMES = ("shared", "soon", "killed", "cut", "free")
FILE = """
[shared]
key = "sk-shared"
quota_tokens = 1_000_000
quota_window_s = 86_400
[soon]
key = "sk-soon"
quota_tokens = 300
quota_window_s = 86_400
[killed]
key = "sk-killed"
quota_tokens = 1_000_000
quota_window_s = 86_400
[cut]
key = "sk-cut"
quota_tokens = 1_000_000
quota_window_s = 86_400
[free]
key = "sk-free"
"""


class Pair:
    """Two servers and their store."""

    def __init__(self, store: RealStore, folder: Path) -> None:
        (folder / "keys.toml").write_text(FILE)
        self.store = store
        self._folder = folder
        self._started = 0
        self.servers = [self._start(), self._start()]

    def _start(self) -> ServerProcess:
        self._started += 1
        environment = {"S1_API_KEYS_FILE": str(self._folder / "keys.toml"), "S1_QUOTA_STORE": self.store.url}
        flags = ["--quota-lease-tokens", str(LEASE)]
        return ServerProcess(self._folder / f"server-{self._started}.log", flags, environment)

    def kill_and_restart(self, number: int) -> None:
        """As kill -9."""
        self.servers[number].process.kill()
        self.servers[number].process.wait()
        self.servers[number] = self._start()

    def settled(self, name: str) -> int:
        """What the store has charged once no process holds a lease."""
        last = self.store.used(name)
        began = calm = time.monotonic()
        while time.monotonic() - calm < 2:
            assert time.monotonic() - began < 60
            time.sleep(0.1)
            if (now := self.store.used(name)) != last:
                last, calm = now, time.monotonic()
        return last


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with valkey(tmp_path_factory.mktemp("store")) as store:
        both = Pair(store, tmp_path_factory.mktemp("servers"))
        for each in both.servers:
            each.wait_until_ready()
        yield both
        for each in both.servers:
            each.stop()


def remaining(server: ServerProcess, name: str) -> int:
    """What a request that does not think is told."""
    response = ask(server, f"sk-{name}", thinking_budget=0, max_tokens=8)
    assert response.status_code == 200
    return int(response.headers["x-ratelimit-remaining-tokens"])


def metric(server: ServerProcess, name: str) -> float:
    """Its sample."""
    lines = httpx.get(f"{server.url}/metrics", timeout=30).text.splitlines()
    (line,) = (each for each in lines if each.startswith(f"{name} "))
    return float(line.split()[-1])


def until(holds: Callable[[], bool]) -> None:
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < 30, "it did not come to hold"
        time.sleep(0.1)


async def test_sums_of_both_servers_are_equal_to_the_token(pair: Pair) -> None:
    rng = random.Random(18)
    budgets: list[Any] = [5, 40, {"num_waits": 2}, {"min_tokens": 150, "max_tokens": 200}]
    async with httpx.AsyncClient(timeout=120, headers=bearer("sk-shared")) as client:
        got = await asyncio.gather(
            *(
                client.post(
                    pair.servers[number % 2].url + CHAT,
                    json={**BODY, "thinking_budget": rng.choice(budgets), "n": 2, "temperature": 1.0},
                )
                for number in range(24)
            )
        )
    of_each = [sum(r["tokens"] for each in got[side::2] for r in reports(each)) for side in (0, 1)]
    assert all(of_each)
    assert pair.settled("shared") == sum(of_each)
    assert [remaining(each, "shared") for each in pair.servers] == [1_000_000 - sum(of_each)] * 2


def test_quota_that_one_server_spent_is_spent_at_the_other(pair: Pair) -> None:
    (report,) = reports(ask(pair.servers[0], "sk-soon", **ENDLESS))
    assert report["end"] == "quota"
    assert 300 <= report["tokens"] < 450
    for each in pair.servers:
        refused = ask(each, "sk-soon")
        assert refused.status_code == 429
        assert 86_000 < int(refused.headers["retry-after"]) <= 86_400
        assert remaining(each, "soon") == 0
    assert pair.settled("soon") == report["tokens"]


def test_store_that_is_killed_is_told_ends_thinking_at_the_lease_and_comes_back_with_all(pair: Pair) -> None:
    server, thought = pair.servers[0], 0
    body = {**ENDLESS, "stream": True}
    with httpx.stream("POST", server.url + CHAT, json=body, headers=bearer("sk-cut"), timeout=90) as stream:
        lines = (line for line in stream.iter_lines() if line.startswith("data: {"))
        next(lines)
        pair.store.kill()
        *_, last = lines
    report = json.loads(last[6:])["choices"][0]["thinking"]
    assert report["end"] == "quota"
    assert report["tokens"] < 900
    thought += report["tokens"]

    until(lambda: metric(server, "s1_quota_store_up") == 0)
    health = httpx.get(f"{server.url}/health")
    assert (health.status_code, health.json()) == (200, {"status": "ok", "quota_store": "down"})
    refused = ask(server, "sk-cut")
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) == 2
    assert "the store of quotas does not answer" in refused.json()["error"]["message"]
    assert ask(server, "sk-cut", thinking_budget=0, max_tokens=8).status_code == 200
    assert ask(server, "sk-free").status_code == 200

    pair.store.start()
    until(lambda: metric(server, "s1_quota_store_up") == 1)
    assert httpx.get(f"{server.url}/health").json() == {"status": "ok", "quota_store": "up"}
    thought += reports(ask(server, "sk-cut"))[0]["tokens"]
    assert pair.settled("cut") == thought
    for said in (" is down: ", " is up again"):
        assert said in server.log.read_text()


def test_killed_server_loses_at_most_its_lease_and_finds_the_quota_as_it_was(pair: Pair) -> None:
    usage = {"include_usage": True, "continuous_usage_stats": True}
    body = {**ENDLESS, "stream": True, "stream_options": usage}
    seen = 0
    url = pair.servers[1].url + CHAT
    with (
        pytest.raises(httpx.TransportError),
        httpx.stream("POST", url, json=body, headers=bearer("sk-killed"), timeout=90) as stream,
    ):
        for line in stream.iter_lines():
            if line.startswith("data: {"):
                details = json.loads(line[6:])["usage"]["completion_tokens_details"]
                seen = details["reasoning_tokens"]
            if seen > 300:
                pair.kill_and_restart(1)
    charged = pair.settled("killed")
    assert 0 <= charged - seen <= LEASE + 50  # of tokens, a few were on their way to us
    pair.servers[1].wait_until_ready()
    assert [remaining(each, "killed") for each in pair.servers] == [1_000_000 - charged] * 2
