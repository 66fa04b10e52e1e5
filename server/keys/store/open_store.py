"""Opens the store of quotas that --quota-store names."""

from server.keys.store.address import StoreAddress
from server.keys.store.store import MemoryStore, QuotaStore


def open_store(address: StoreAddress | None, *, lease_tokens: int, counts_alone: bool) -> QuotaStore:
    """The store of that address, to be entered; None: in memory."""
    if address is None:
        return MemoryStore()
    from server.keys.store.redis_store import RedisStore  # an extra

    return RedisStore(address, lease_tokens=lease_tokens, counts_alone=counts_alone)
