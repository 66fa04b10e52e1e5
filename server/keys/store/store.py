"""What every store of quotas is, and the one in memory."""

from collections.abc import Callable
from typing import Protocol, Self

from server.keys.meter import MemoryMeter, Meter, Quota


class QuotaStoreError(ValueError):
    """The store answers, but no quota can be kept in it: a wrong password, a database that is read only."""


class QuotaStore(Protocol):
    """Context manager: its meters may be used within."""

    is_up: bool
    on_state: Callable[[bool], None]
    """Called with `is_up` at the start and when it changes."""
    on_call: Callable[[bool], None]
    """Called after each call over the network, with whether it was answered."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None: ...

    def meter(self, key_name: str, quota: Quota) -> Meter:
        """The meter of a key."""


class MemoryStore:
    """Quotas of one process, gone with it."""

    is_up = True

    def __init__(self) -> None:
        self.on_state: Callable[[bool], None] = lambda _: None
        self.on_call: Callable[[bool], None] = lambda _: None

    async def __aenter__(self) -> Self:
        self.on_state(True)
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    def meter(self, key_name: str, quota: Quota) -> Meter:
        """The meter of a key."""
        del key_name
        return MemoryMeter(quota)
