"""A meter whose store's replies are lost: what was thought is charged once, and no lease is forgotten."""

import asyncio

import pytest

from server.keys.meter import Quota
from server.keys.simulation.store import SimulatedStore
from server.keys.simulation.virtual_time import run_virtually
from server.keys.store.leased_meter import LeasedMeter, StoreDownError
from server.keys.store.script import Account, Standing

QUOTA = Quota(20_000, 3600)


class Forgetful:
    """A ledger whose store does as it is told, and whose first `lost` replies do not arrive."""

    lease_tokens = 1024
    counts_alone = True
    is_up = True

    def __init__(self, lost: int) -> None:
        self.store = SimulatedStore(0, 0)
        self.lost = lost

    async def settle(self, key_name: str, quota: Quota, account: Account) -> Standing:
        now = asyncio.get_running_loop().time()
        standing = self.store.settle(1, key_name, quota, account, now)
        if self.lost:
            self.lost -= 1
            raise StoreDownError("no reply")
        return standing

    def used(self) -> int:
        """As another process is told."""
        now = asyncio.get_running_loop().time()
        return self.store.settle(2, "alice", QUOTA, Account("", "other", 0, 0), now).used


def meter_of(ledger: Forgetful) -> LeasedMeter:
    return LeasedMeter("alice", QUOTA, ledger, asyncio.get_running_loop().time)


@pytest.mark.parametrize("lost", [0, 1, 3])
def test_what_was_thought_is_charged_once_however_many_replies_are_lost(lost: int) -> None:
    async def work() -> tuple[int, int, int]:
        ledger = Forgetful(lost)
        meter = meter_of(ledger)
        ledger.is_up = False
        meter.spend(4000)
        ledger.is_up = True
        for _ in range(lost + 1):
            await meter.refresh(wants_more=True)
        left = meter.left
        await meter.close()
        return left, meter.left, ledger.used()

    assert run_virtually(work()) == (16_000, 16_000, 4000)


@pytest.mark.parametrize("closes", [False, True])
def test_lease_that_was_never_heard_of_is_given_back(closes: bool) -> None:
    async def work() -> list[int]:
        ledger = Forgetful(1)
        meter = meter_of(ledger)
        await meter.refresh(wants_more=True)
        charged = ledger.used()
        await (meter.close() if closes else asyncio.sleep(2))
        return [charged, ledger.used()]

    assert run_virtually(work()) == [1024, 0]


def test_window_of_the_meter_that_comes_next_is_charged_besides() -> None:
    async def work() -> int:
        ledger = Forgetful(0)
        meter = meter_of(ledger)
        for _ in range(2):
            await meter.refresh(wants_more=True)
            meter.spend(30)
            await asyncio.sleep(3)
            meter._ends_at = asyncio.get_running_loop().time()  # its clock is ahead of the store's
        await meter.close()
        return ledger.used()

    assert run_virtually(work()) == 60
