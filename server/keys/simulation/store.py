"""A store of quotas that takes as long as it is told to: server/keys/store/script.py in Python."""

import asyncio
from dataclasses import dataclass, field

from server.keys.meter import Quota
from server.keys.store.redis_store import LEAST_LEASE_TOKENS, SHARE
from server.keys.store.script import Account, Standing


@dataclass(slots=True)
class Window:
    """One key's. `held`: by process; `own`: its own window, as it told last, and its `held` before."""

    name: str
    ends_at: float
    used: int = 0
    held: dict[int, int] = field(default_factory=dict)
    own: dict[int, tuple[str, int]] = field(default_factory=dict)


class SimulatedStore:
    """`calls` so far; `busy_s`: how long it has worked, one call after the other."""

    def __init__(self, latency_s: float, work_s: float) -> None:
        self.calls = 0
        self.busy_s = 0.0
        self._latency_s = latency_s
        self._work_s = work_s
        self._free_at = 0.0
        self._windows: dict[str, Window] = {}

    async def call(self, process: int, key_name: str, quota: Quota, account: Account) -> Standing:
        """There, when its turn comes, and back."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._latency_s / 2)
        self._free_at = max(self._free_at, loop.time()) + self._work_s
        await asyncio.sleep(self._free_at - loop.time())
        standing = self.settle(process, key_name, quota, account, loop.time())
        await asyncio.sleep(self._latency_s / 2)
        return standing

    def settle(self, process: int, key_name: str, quota: Quota, account: Account, now: float) -> Standing:
        """What the script does."""
        self.calls += 1
        self.busy_s += self._work_s
        window = self._windows.get(key_name)
        if window is not None and now >= window.ends_at:
            del self._windows[key_name]
            window = None
        held = window.held.get(process, 0) if window is not None else 0
        used = window.used if window is not None else 0
        spent = account.spent
        before = held
        if not account.window:
            own, was = window.own.get(process, ("", 0)) if window is not None else ("", 0)
            before = was if own == account.own_window else held
            spent += before
        elif window is None or account.window != window.name:
            spent = 0
        used += spent - held
        granted, left = 0, quota.tokens - used
        if account.wanted > 0 and left > 0:
            granted = min(account.wanted, left, max(LEAST_LEASE_TOKENS, left // SHARE))
        used, held = used + granted, spent + granted
        if window is None:
            if not used:
                return Standing("", 0, 0, 0, quota.window_s)
            window = self._windows[key_name] = Window(f"{now!r}", now + quota.window_s)
        window.used, window.held[process] = used, held
        if not account.window:
            window.own[process] = account.own_window, before
        return Standing(window.name, spent, held, used, window.ends_at - now)


@dataclass(slots=True)
class SimulatedLedger:
    """The store as one process's meters see it: server.keys.store.leased_meter.Ledger."""

    store: SimulatedStore
    process: int
    lease_tokens: int
    counts_alone: bool = False
    is_up: bool = True

    async def settle(self, key_name: str, quota: Quota, account: Account) -> Standing:
        """As RedisStore.settle, of a store that is up."""
        return await self.store.call(self.process, key_name, quota, account)
