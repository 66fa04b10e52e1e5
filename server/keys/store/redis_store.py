"""Quotas in a Redis or Valkey that several processes and servers share.

The package redis, an extra, is imported here only.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import astuple
from typing import Self
from uuid import uuid4

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, ConnectionError, RedisError, ResponseError
from redis.maint_notifications import MaintNotificationsConfig

from server.keys.meter import Quota
from server.keys.store.address import StoreAddress
from server.keys.store.leased_meter import LeasedMeter, StoreDownError
from server.keys.store.script import SETTLE, Account, Standing
from server.keys.store.store import QuotaStoreError

LOGGER = logging.getLogger("vllm.s1_serve")
"""A logger of vLLM's hierarchy, for its log format."""
ANSWER_WITHIN_S = 1.0
"""What takes longer is as good as down: requests wait for it, and others think on, uncounted, so long."""
LOOK_EVERY_S = 1.0
MAX_CONNECTIONS = 16
LEAST_LEASE_TOKENS = 16
SHARE = 4
PREFIX = "s1:quota:"
CHECK_KEY = "s1:check"
CHECK_QUOTA = Quota(1, 60)
CHECK_ACCOUNT = Account("", "check", 0, 1)


class RedisStore:
    """Context manager: the connection is kept up, and what is leased is given back at its end.

    It implements Ledger and QuotaStore.
    """

    def __init__(
        self,
        address: StoreAddress,
        *,
        lease_tokens: int,
        counts_alone: bool,
        answer_within_s: float = ANSWER_WITHIN_S,
    ) -> None:
        self.lease_tokens = lease_tokens
        self.counts_alone = counts_alone
        self.is_up = True
        self.on_state: Callable[[bool], None] = lambda _: None
        self.on_call: Callable[[bool], None] = lambda _: None
        """Called after each call of the store."""
        self._address = address
        self._answer_within_s = answer_within_s
        self._process = uuid4().hex[:16]
        self._meters: list[LeasedMeter] = []
        self._looking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Connect. A store that is down may come later.

        Raises:
            QuotaStoreError: It answers that it will not keep quotas.
        """
        pool = BlockingConnectionPool.from_url(
            self._address.url,
            max_connections=MAX_CONNECTIONS,
            timeout=self._answer_within_s,
            socket_timeout=self._answer_within_s,
            socket_connect_timeout=self._answer_within_s,
            # A connection may have died with the store's last life; a call made twice changes nothing.
            retry=Retry(NoBackoff(), 1, (ConnectionError,)),
            protocol=2,
            driver_info=None,
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
        )
        self._client = Redis.from_pool(pool)
        self._script = self._client.register_script(SETTLE)
        try:
            await self._run(CHECK_KEY, CHECK_QUOTA, CHECK_ACCOUNT)
        except (AuthenticationError, ResponseError) as error:
            await self._client.aclose()
            raise QuotaStoreError(f"--quota-store: {self._address.name}: {error}") from error
        except (RedisError, OSError) as error:
            self._mark(False, error)
        self.on_state(self.is_up)
        self._looking = asyncio.create_task(self._look())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._looking is not None:
            self._looking.cancel()
        for meter in self._meters:
            await meter.close()
        with suppress(RedisError, OSError):
            await self._client.aclose()

    def meter(self, key_name: str, quota: Quota) -> LeasedMeter:
        """The meter of a key."""
        self._meters.append(meter := LeasedMeter(key_name, quota, self))
        return meter

    async def settle(self, key_name: str, quota: Quota, account: Account) -> Standing:
        """Tell of this process's account, and be told where the key stands.

        Raises:
            StoreDownError: The store did not answer.
        """
        try:
            standing = await self._run(PREFIX + key_name, quota, account)
        except (RedisError, OSError) as error:
            self._mark(False, error)
            raise StoreDownError(str(error)) from error
        self._mark(True)
        return standing

    async def _run(self, key: str, quota: Quota, account: Account) -> Standing:
        is_answered = False
        try:
            limits = (quota.tokens, 1000 * quota.window_s, LEAST_LEASE_TOKENS, SHARE)
            told = await self._script([key], [self._process, *astuple(account), *limits])
            window, spent, held, used, ends_in_ms = told
            is_answered = True
        finally:
            self.on_call(is_answered)
        return Standing(window.decode(), spent, held, used, ends_in_ms / 1000)

    def _mark(self, is_up: bool, error: Exception | None = None) -> None:
        if is_up is self.is_up:
            return
        self.is_up = is_up
        self.on_state(is_up)
        if is_up:
            LOGGER.warning("the quota store %s is up again", self._address.name)
            return
        so = "are counted by each process alone" if self.counts_alone else "end with what is leased to them"
        LOGGER.warning("the quota store %s is down: %s: keys with a quota %s", self._address.name, error, so)

    async def _look(self) -> None:
        """Whether it is up, the whole way: a lease is written."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await self._run(CHECK_KEY, CHECK_QUOTA, CHECK_ACCOUNT)
            except (RedisError, OSError) as error:
                self._mark(False, error)
            else:
                self._mark(True)
