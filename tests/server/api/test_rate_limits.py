"""What a key with a quota is answered, and /health, by how its store is; no engine runs."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from fastapi import FastAPI
from vllm.v1.engine.exceptions import EngineDeadError

from server.api.health import tell_of_store
from server.api.rate_limits import STORE_RETRY_S, KeyLimits, limits_by_key
from server.budget.parsing.defaults import BudgetDefaults
from server.keys.key import Key, digest_of
from server.keys.meter import Quota
from server.keys.store.address import read_address
from server.keys.store.open_store import open_store
from server.keys.store.store import MemoryStore
from tests.server.keys.store.real_store import valkey

CHAT = "/v1/chat/completions"
KEYS = (Key("alice", digest_of("sk-a"), quota=Quota(100, 3600)), Key("bob", digest_of("sk-b")))


async def status(limits: KeyLimits, *, thinks: bool = True) -> tuple[int, str | None]:
    """The refusal's, with its Retry-After; 200 where there is none."""
    refusal = await limits.refusal(CHAT, thinks=thinks)
    return (200, None) if refusal is None else (refusal.status_code, refusal.headers["retry-after"])


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(500):
        if holds():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it did not come to hold")


async def test_spent_quota_is_a_429_and_a_store_that_is_down_a_503(tmp_path: Path) -> None:
    with valkey(tmp_path) as running:
        ours = open_store(read_address(running.url), lease_tokens=8, counts_alone=False)
        async with ours:
            limits = limits_by_key(KEYS, BudgetDefaults(), ours)
            alice, bob = limits["alice"], limits["bob"]
            assert await status(alice) == (200, None)
            running.kill()
            await until(lambda: not ours.is_up)
            assert await status(alice) == (200, None)  # eight tokens are leased
            assert alice.meter is not None
            alice.meter.spend(8)
            assert await status(alice) == (503, str(STORE_RETRY_S))
            assert await status(alice, thinks=False) == (200, None)
            assert await status(bob) == (200, None)
            assert alice.headers()["x-ratelimit-remaining-tokens"] == "92"
            running.start()
            await until(lambda: ours.is_up)
            assert await status(alice) == (200, None)
            alice.meter.spend(92)
            await until(lambda: alice.meter is not None and alice.meter.left == 0)
            refused, retry = await status(alice)
            assert (refused, 3590 < int(retry or 0) <= 3600) == (429, True)


async def test_quota_in_memory_is_never_unknown() -> None:
    async with MemoryStore() as store:
        alice = limits_by_key(KEYS, BudgetDefaults(), store)["alice"]
        assert await status(alice) == (200, None)
        assert alice.meter is not None
        alice.meter.spend(100)
        assert (await status(alice))[0] == 429


async def test_health_tells_of_the_store_and_fails_for_the_engine_only() -> None:
    app, store = FastAPI(), MemoryStore()
    engine = SimpleNamespace(is_dead=False)

    async def check_health() -> None:
        if engine.is_dead:
            raise EngineDeadError

    app.state.engine_client = SimpleNamespace(check_health=check_health)
    tell_of_store(app, store)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
        assert (await client.get("/health")).json() == {"status": "ok", "quota_store": "up"}
        store.is_up = False
        told = await client.get("/health")
        assert (told.status_code, told.json()["quota_store"]) == (200, "down")
        engine.is_dead = True
        assert (await client.get("/health")).status_code == 503
