"""The client side of a stage's endpoints: one HTTP client, one reply cache, a limit on requests in flight."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from curation.ask.endpoint import CachedEndpoint
from curation.ask.reply_cache import ReplyCache
from curation.ask.request import ModelAddress


@dataclass(frozen=True, slots=True)
class AskSettings:
    """How endpoints are asked: reply cache, concurrency, retries, timeouts."""

    cache: Path
    concurrency: int = 64
    tries: int = 6
    timeout_s: float = 600.0
    api_key: str = ""
    first_pause_s: float = 0.5

    @property
    def window(self) -> int:
        """Maximum rows in flight: more than the connections, so that a slow reply idles none of them."""
        return self.concurrency * 4

    @asynccontextmanager
    async def open(self, *places: ModelAddress) -> AsyncIterator[list[CachedEndpoint]]:
        """A `CachedEndpoint` for each place, as a context.

        Raises:
            CurationError: The reply cache cannot be opened.
        """
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        limits = httpx.Limits(max_connections=self.concurrency, max_keepalive_connections=self.concurrency)
        timeout = httpx.Timeout(self.timeout_s, connect=10.0, pool=None)
        # httpx limits connections too, but at every reply it scans all requests that wait for one.
        slots = asyncio.Semaphore(self.concurrency)
        with ReplyCache(self.cache) as cache:
            async with httpx.AsyncClient(headers=headers, limits=limits, timeout=timeout) as http:
                yield [
                    CachedEndpoint(place, cache, http, slots, self.tries, self.first_pause_s)
                    for place in places
                ]
