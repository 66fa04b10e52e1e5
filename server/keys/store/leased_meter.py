"""Counts one key's tokens against a quota that several processes share, in leases.

A lease is taken ahead, spent without asking, topped up when half of it is gone and given back when it lies
unused. A token costs no round trip.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol
from uuid import uuid4

from server.keys.meter import Quota
from server.keys.store.script import Account, Standing

TEND_EVERY_S = 0.25
IDLE_TICKS = 2
"""After so many looks without a token the lease is given back."""


class StoreDownError(Exception):
    """The store did not answer, or not as it should."""


class Ledger(Protocol):
    """The store as a meter sees it."""

    lease_tokens: int
    """The most that a process holds of a key's quota unspent."""
    counts_alone: bool
    """Whether keys may think on while the store is down (--quota-store-down allow)."""

    @property
    def is_up(self) -> bool:
        """Whether the last call was answered."""

    async def settle(self, key_name: str, quota: Quota, account: Account) -> Standing:
        """Tell of a process's account, and be told where the key stands.

        Raises:
            StoreDownError: The store is down.
        """


class LeasedMeter:
    """One key's meter in one process.

    `spend` never waits. What is spent past the lease, while the next is under way, is owed and charged in
    full. Once the store is down, the key ends with its lease, or counts on alone.
    """

    def __init__(
        self, key_name: str, quota: Quota, ledger: Ledger, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.quota = quota
        self.on_spent: Callable[[], None] = lambda: None
        self._key_name = key_name
        self._ledger = ledger
        self._clock = clock
        self._window = ""
        self._own_window = _a_name()
        self._is_unheard = False
        """Whether the last call had no reply: the store may have leased what is not known here."""
        self._ends_at: float | None = None
        self._spent = 0
        self._held = 0
        self._left_in_store = quota.tokens
        """What nobody has leased, as last heard."""
        self._low = 0
        """So much in hand, and the next lease is asked for."""
        self._attend_at = 1
        """`spend` looks no closer before so much is spent."""
        self._was_spent = False
        self._is_closed = False
        self._settling: asyncio.Task[None] | None = None
        self._tending: asyncio.Task[None] | None = None

    @property
    def left(self) -> int:
        """Thinking tokens left in this window that no other process has leased, as last heard."""
        self._roll_window()
        return max(0, self._left_in_store + self._in_hand)

    @property
    def is_spent(self) -> bool:
        """Whether the key may not think on."""
        return self.left == 0 or self.is_unknown

    @property
    def is_unknown(self) -> bool:
        """Whether the lease is spent, the store is down, and nobody may think on without it."""
        return self._in_hand <= 0 and not self._ledger.is_up and not self._ledger.counts_alone

    @property
    def resets_in_s(self) -> float:
        """Seconds until the next window."""
        self._roll_window()
        return float(self.quota.window_s) if self._ends_at is None else self._ends_at - self._clock()

    def spend(self, tokens: int) -> None:
        """Count `tokens` thinking tokens, or take back as many where it is negative."""
        self._spent += tokens
        if self._spent >= self._attend_at or self._spent < 0:
            self._attend()

    async def refresh(self, *, wants_more: bool) -> None:
        """Ask the store what is left, and for a lease if the request may think; not a store that is down."""
        self._roll_window()
        if self._ledger.is_up:
            wanted = self._ledger.lease_tokens if wants_more else max(0, self._in_hand)
            await asyncio.shield(self._settling or self._settle(wanted))

    async def close(self) -> None:
        """Give back what is left of the lease."""
        self._is_closed = True
        if self._tending is not None:
            self._tending.cancel()
        if self._settling is not None:
            await self._settling
        if self._is_unsettled and self._ledger.is_up:
            await self._settle(0)

    @property
    def _in_hand(self) -> int:
        """What is left of the lease; negative: owed."""
        return self._held - self._spent

    @property
    def _is_unsettled(self) -> bool:
        """Whether the store counts as this process's what it did not spend, or the other way about."""
        return self._in_hand != 0 or self._is_unheard

    @property
    def _may_ask(self) -> bool:
        return self._settling is None and self._ledger.is_up

    def _attend(self) -> None:
        """Half of the lease is spent, or all that there is."""
        self._spent = max(0, self._spent)
        self._roll_window()
        if self._ends_at is None and self._spent:
            self._ends_at = self._clock() + self.quota.window_s  # until the store says when
        if self._may_ask and self._in_hand <= self._low:
            self._settle(self._ledger.lease_tokens)
        self._look()

    def _look(self) -> None:
        """Say that the quota is spent, where it has just become so; set when `spend` looks again."""
        is_spent, was_spent = self.is_spent, self._was_spent
        self._was_spent = is_spent
        if is_spent and not was_spent:
            self.on_spent()
        if self._is_unsettled and self._tending is None and not self._is_closed:
            self._tending = asyncio.create_task(self._tend())
        if self._may_ask:
            ahead = self._in_hand - self._low
        else:
            ahead = self._in_hand if self._in_hand > 0 else self.left
        self._attend_at = self._spent + max(1, min(ahead, self.left))

    def _settle(self, wanted: int) -> asyncio.Task[None]:
        self._settling = asyncio.create_task(self._exchange(wanted))
        return self._settling

    async def _exchange(self, wanted: int) -> None:
        told = self._spent
        try:
            account = Account(self._window, self._own_window, told, wanted)
            self._take(await self._ledger.settle(self._key_name, self.quota, account), told)
            self._is_unheard = False
        except StoreDownError:
            self._is_unheard = True  # what is owed stays owed
        finally:
            self._settling = None
            self._look()

    def _take(self, standing: Standing, told: int) -> None:
        """What was spent since the store was `told` is not in the standing."""
        self._spent += standing.spent - told
        self._window, self._held = standing.window, standing.held
        self._low = (standing.held - standing.spent) // 2
        self._left_in_store = self.quota.tokens - standing.used
        self._ends_at = self._clock() + standing.ends_in_s if standing.window else None

    async def _tend(self) -> None:
        """Until nothing is held or owed: settle what is owed, give back what lies unused."""
        before, idle = self._spent, 0
        while self._is_unsettled or self._settling is not None:
            await asyncio.sleep(TEND_EVERY_S)
            self._roll_window()
            idle = idle + 1 if self._spent == before else 0
            if self._may_ask and self._is_unsettled:
                if idle >= IDLE_TICKS:
                    self._settle(0)
                elif self._in_hand < 0:
                    self._settle(self._ledger.lease_tokens)
            before = self._spent
            self._look()
        self._tending = None

    def _roll_window(self) -> None:
        if self._ends_at is None or self._settling is not None or self._clock() < self._ends_at:
            return
        self._window, self._ends_at = "", None
        self._own_window, self._is_unheard = _a_name(), False
        self._spent = self._held = self._low = 0
        self._left_in_store = self.quota.tokens
        self._attend_at, self._was_spent = 1, False


def _a_name() -> str:
    return uuid4().hex[:16]
