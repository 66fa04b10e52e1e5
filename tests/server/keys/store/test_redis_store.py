"""Quotas in a real Redis or Valkey, counted by several processes at once.

Each RedisStore here is what one server process has; they share nothing but the store.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from server.keys.meter import Quota
from server.keys.store.address import read_address
from server.keys.store.leased_meter import LeasedMeter
from server.keys.store.redis_store import ANSWER_WITHIN_S, LEAST_LEASE_TOKENS, RedisStore
from server.keys.store.script import Account, Standing
from server.keys.store.store import QuotaStoreError
from tests.server.keys.store.real_store import RealStore

KEY = "alice"
LEASE = 100
PATIENCE_S = 120.0
HANDSHAKE = {"select", "client|setinfo", "auth", "hello", "ping", "info"}
SCRIPT = {"evalsha", "script|load", "hmget", "hset", "pttl", "pexpire", "time"}
"""The commands that the store is asked for, all of Redis 5's."""


@asynccontextmanager
async def process(
    store: RealStore,
    *,
    counts_alone: bool = False,
    lease: int = LEASE,
    answer_within_s: float = PATIENCE_S,
) -> AsyncIterator[RedisStore]:
    """One server process's connection; on a busy machine an answer may take more than a second."""
    address = read_address(store.url)
    assert address is not None
    ours = RedisStore(address, lease_tokens=lease, counts_alone=counts_alone, answer_within_s=answer_within_s)
    async with ours:
        yield ours


async def until(holds: Callable[[], bool], within_s: float = PATIENCE_S) -> None:
    """Wait for it."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < within_s, "it did not come to hold"
        await asyncio.sleep(0.01)


async def think(meter: LeasedMeter, most: int, tokens_a_step: int = 10) -> int:
    """A request: spend `most` tokens, step by step, or as many as the key may. Returns how many."""
    await meter.refresh(wants_more=True)
    return await spend(meter, most, tokens_a_step)


async def spend(meter: LeasedMeter, most: int, tokens_a_step: int = 10) -> int:
    """As a request that runs already."""
    spent = 0
    while spent < most and not meter.is_spent:
        meter.spend(1)
        spent += 1
        if spent % tokens_a_step == 0:
            await asyncio.sleep(0.001)
    return spent


async def test_processes_that_share_a_key_count_to_the_token(store: RealStore) -> None:
    quota, rng = Quota(100_000, 3600), random.Random(18)
    async with process(store) as first, process(store) as second, process(store) as third:
        meters = [each.meter(KEY, quota) for each in (first, second, third)]
        asked = [rng.randrange(50, 3000) for _ in meters]
        thought = await asyncio.gather(*(think(m, most) for m, most in zip(meters, asked, strict=True)))
        assert thought == asked
        await until(lambda: store.used(KEY) == sum(asked))  # idle leases are given back
        for meter in meters:
            await meter.refresh(wants_more=False)
            assert meter.left == 100_000 - sum(asked)
    assert store.used(KEY) == sum(asked)


async def test_quota_is_spent_in_every_process_once_it_is_in_one(store: RealStore) -> None:
    quota, told = Quota(2000, 3600), list[int]()
    async with process(store) as first, process(store) as second:
        meters = [each.meter(KEY, quota) for each in (first, second)]
        for number, meter in enumerate(meters):
            meter.on_spent = lambda number=number: told.append(number)  # type: ignore[misc]
        thought = await asyncio.gather(*(think(meter, 1 << 20) for meter in meters))
        # Each ends with what is in hand; beyond it, at most what was spent while an answer was under way.
        # That is little, and however long an answer takes here.
        assert 2000 - 2 * LEAST_LEASE_TOKENS <= sum(thought) <= 2 * 2000
        assert all(thought)
        assert sorted(told) == [0, 1]
        await until(lambda: store.used(KEY) == sum(thought))


async def test_quota_is_kept_by_the_store_over_a_restart_of_the_servers(store: RealStore) -> None:
    quota = Quota(1000, 3600)
    async with process(store) as before:
        assert await think(before.meter(KEY, quota), 400) == 400
    assert store.used(KEY) == 400  # given back at the end, without a wait
    async with process(store) as after:
        meter = after.meter(KEY, quota)
        await meter.refresh(wants_more=True)
        assert meter.left == 600
        assert 3000 < meter.resets_in_s <= 3600
        assert await think(meter, 1 << 20) == 600


async def test_killed_process_leaves_at_most_its_lease_charged_and_unused(store: RealStore) -> None:
    quota = Quota(100_000, 3600)
    async with process(store) as killed:
        meter = killed.meter(KEY, quota)
        thought = await think(meter, 1234)
        await until(lambda: store.used(KEY) >= thought)
        for task in (meter._tending, meter._settling):  # what is left of it now is what kill -9 leaves
            if task is not None:
                task.cancel()
        killed._meters.clear()
    assert thought <= store.used(KEY) <= thought + LEASE


class Clock:
    """Seconds that pass when told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_next_window_begins_with_the_first_token_after_the_last_ones_end(store: RealStore) -> None:
    quota, clock = Quota(300, 3600), Clock()
    async with process(store) as first, process(store) as second:
        one, other = (LeasedMeter(KEY, quota, each, clock) for each in (first, second))
        await think(one, 1 << 20)
        await other.refresh(wants_more=True)
        assert (other.is_spent, other.is_unknown) == (True, False)
        assert 3000 < other.resets_in_s <= 3600
        store.client.pexpire(f"s1:quota:{KEY}", 1)
        await until(lambda: not store.client.exists(f"s1:quota:{KEY}"))
        clock.now += 3600
        assert [(each.left, each.resets_in_s) for each in (one, other)] == [(300, 3600.0)] * 2
        assert await think(other, 200) == 200
        await one.refresh(wants_more=False)
        assert one.left < 300
        for each in (one, other):
            await each.close()
    assert store.used(KEY) == 200


async def test_lease_of_a_window_that_is_over_is_not_given_back_to_the_next(store: RealStore) -> None:
    quota = Quota(1000, 3600)
    async with process(store, lease=500) as first, process(store) as second:
        holder, other = first.meter(KEY, quota), second.meter(KEY, quota)
        assert await think(holder, 30) == 30
        assert store.used(KEY) > 200
        store.client.delete(f"s1:quota:{KEY}")  # as an operator may: the window is over before its time
        assert await think(other, 50) == 50
        await until(lambda: store.used(KEY) == 50)
        await until(lambda: holder._tending is None)
        assert store.used(KEY) == 50
        await holder.refresh(wants_more=False)
        assert holder.left == 950


async def test_window_that_was_made_shorter_ends_sooner(store: RealStore) -> None:
    async with process(store) as ours:
        await think(ours.meter(KEY, Quota(1000, 86_400)), 10)
        shorter = ours.meter(KEY, Quota(1000, 60))
        await shorter.refresh(wants_more=False)
        assert shorter.resets_in_s <= 60


async def test_largest_quota_is_counted_exactly(store: RealStore) -> None:
    quota = Quota(1 << 53, 3600)
    async with process(store) as ours:
        meter = ours.meter(KEY, quota)
        await think(meter, 3)
        store.client.hset(f"s1:quota:{KEY}", "used", (1 << 53) - 50)
        await meter.refresh(wants_more=False)
        assert abs(meter.left - 50) <= LEASE


async def test_killed_store_comes_back_with_every_token_and_the_servers_find_it(store: RealStore) -> None:
    quota, states = Quota(100_000, 3600), list[bool]()
    async with process(store) as ours:
        ours.on_state = states.append
        meter = ours.meter(KEY, quota)
        thought = await think(meter, 777)
        await until(lambda: store.used(KEY) == 777)
        store.kill()
        await until(lambda: not ours.is_up)
        store.start()
        await until(lambda: ours.is_up)
        thought += await think(meter, 500)
        await until(lambda: store.used(KEY) == thought)
    assert states == [False, True]


async def test_store_that_forgot_the_last_seconds_is_told_again(store: RealStore) -> None:
    quota = Quota(100_000, 3600)
    async with process(store) as first, process(store) as second:
        meters = [each.meter(KEY, quota) for each in (first, second)]
        thought = [await think(meter, 300) for meter in meters]
        await until(lambda: store.used(KEY) == sum(thought))
        old: dict[Any, Any] = store.client.hgetall(f"s1:quota:{KEY}")
        thought = [before + await think(meter, 500) for before, meter in zip(thought, meters, strict=True)]
        await until(lambda: store.used(KEY) == sum(thought))
        store.client.hset(f"s1:quota:{KEY}", mapping=old)
        for meter in meters:
            await meter.refresh(wants_more=False)
        assert store.used(KEY) == sum(thought) == 1600


async def test_while_the_store_is_down_a_key_thinks_to_its_leases_end_and_no_further(
    store: RealStore,
) -> None:
    quota, ended = Quota(100_000, 3600), list[str]()
    async with process(store) as ours:
        meter, unheard = ours.meter(KEY, quota), ours.meter("bob", quota)
        meter.on_spent = lambda: ended.append("alice")
        await meter.refresh(wants_more=True)
        store.kill()
        await until(lambda: not ours.is_up)
        assert await think(meter, 1 << 20) == LEASE
        assert (ended, meter.is_unknown, meter.left) == (["alice"], True, 100_000 - LEASE)
        await unheard.refresh(wants_more=True)
        assert unheard.is_unknown
        meter.spend(5)  # what was under way when it ended
        store.start()
        await until(lambda: not meter.is_unknown)
        await until(lambda: store.used(KEY) == LEASE + 5)
        assert await think(meter, 300) == 300


async def test_allowed_keys_count_alone_while_the_store_is_down_and_are_charged_when_it_is_back(
    store: RealStore,
) -> None:
    quota = Quota(5000, 3600)
    async with process(store, counts_alone=True) as first, process(store, counts_alone=True) as second:
        meters = [each.meter(KEY, quota) for each in (first, second)]
        thought = [await think(meter, 500) for meter in meters]
        await until(lambda: store.used(KEY) == 1000)
        for meter in meters:
            await meter.refresh(wants_more=False)
        store.kill()
        await until(lambda: not first.is_up and not second.is_up)
        alone = [await think(meter, 1 << 20) for meter in meters]
        # Each spends what was left: so much too much, and no more, can a store that is down cost.
        assert alone == [4000, 4000]
        store.start()
        await until(lambda: store.used(KEY) == sum(thought) + sum(alone))


async def test_store_that_hangs_is_down_after_a_second_and_what_was_owed_is_charged(store: RealStore) -> None:
    quota = Quota(100_000, 3600)
    async with process(store, answer_within_s=ANSWER_WITHIN_S) as ours:
        meter = ours.meter(KEY, quota)
        await meter.refresh(wants_more=True)
        with store.stopped():
            began = time.monotonic()
            thought = await spend(meter, 1 << 20)
            assert not ours.is_up
            assert time.monotonic() - began >= ANSWER_WITHIN_S
            assert thought > LEASE
        await until(lambda: store.used(KEY) == thought)


async def test_lease_is_topped_up_once_half_of_it_is_gone(store: RealStore) -> None:
    async with process(store) as ours:
        asked, settle = list[tuple[int, int]](), ours.settle

        async def told(key_name: str, quota: Quota, account: Account) -> Standing:
            asked.append((account.spent, account.wanted))
            return await settle(key_name, quota, account)

        ours.settle = told  # type: ignore[method-assign]
        meter = LeasedMeter(KEY, Quota(10_000, 3600), ours)
        await meter.refresh(wants_more=True)
        for _ in range(60):  # without a pause, in which an idle lease might be given back
            meter.spend(1)
        await until(lambda: len(asked) > 1)
        assert asked[:2] == [
            (0, LEASE),
            (60, LEASE),
        ]  # at 50; the call tells what is spent by then
        await meter.close()


async def test_token_costs_no_round_trip(store: RealStore) -> None:
    calls = list[bool]()
    async with process(store, lease=1000) as ours:
        ours.on_call = calls.append
        assert await think(ours.meter(KEY, Quota(1 << 40, 3600)), 20_000, tokens_a_step=50) == 20_000
    assert all(calls)
    assert 20 <= len(calls) <= 200  # one for each half of a lease, and those of an idle moment


async def test_store_is_asked_for_old_commands_only(store: RealStore) -> None:
    async with process(store) as ours:
        store.client.config_resetstat()
        await think(ours.meter(KEY, Quota(1000, 3600)), 1 << 20)
    stats = store.client.info("commandstats")
    used = {name.removeprefix("cmdstat_") for name in stats} - {"config|resetstat"}
    assert used <= HANDSHAKE | SCRIPT
    assert {"evalsha", "hset"} <= used


async def test_wrong_password_is_told_at_the_start_without_it(store: RealStore) -> None:
    store.client.config_set("requirepass", "right-7f3a")
    address = read_address(f"redis://:wrong-91bc@127.0.0.1:{store.port}/0")
    assert address is not None
    with pytest.raises(QuotaStoreError, match=r"--quota-store: redis://127\.0\.0\.1") as caught:
        async with RedisStore(address, lease_tokens=LEASE, counts_alone=False):
            pass
    assert "wrong-91bc" not in str(caught.value)


async def test_store_that_is_read_only_is_refused(store: RealStore) -> None:
    store.client.replicaof("127.0.0.1", 1)
    with pytest.raises(QuotaStoreError, match="--quota-store"):
        async with process(store):
            pass


async def test_store_that_is_down_at_the_start_may_come_later(store: RealStore) -> None:
    store.kill()
    async with process(store) as ours:
        assert not ours.is_up
        store.start()
        await until(lambda: ours.is_up)
        assert await think(ours.meter(KEY, Quota(1000, 3600)), 50) == 50
