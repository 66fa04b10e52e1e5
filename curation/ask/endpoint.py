"""A chat endpoint: limits requests in flight, retries, and parses replies.

A failed request drops its row only. Many failures in succession mean that the endpoint is down, and stop the
stage. A request that the endpoint refuses for what it holds is no failure, unless nothing else is answered.
"""

import asyncio
from random import Random

import httpx

from curation.ask.reply_cache import ReplyCache
from curation.ask.request import ModelAddress, Reply, Request, UnansweredError
from curation.ask.split import reply_from
from curation.errors import CurationError

# Retried: the server is busy or overloaded, or a gateway failed.
TRANSIENT = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
# Not retried: a wrong key, an empty account, a wrong model name or address fails for every row.
PERMANENT = frozenset({401, 402, 403, 404, 405, 407})
# Not retried: this request is refused, such as a question that is too long; the endpoint works.
REFUSALS = frozenset({400, 413, 414, 422, 431, 451})
MAX_PAUSE_S = 30.0
# Number of failed requests in succession after which the endpoint counts as down.
MAX_FAILURES = 20


class EndpointUnusableError(CurationError):
    """The endpoint is down or refuses every request. Cached replies are kept; a rerun continues from them."""


class CachedEndpoint:
    """One endpoint behind a reply cache. Belongs to one event loop."""

    def __init__(
        self,
        place: ModelAddress,
        cache: ReplyCache,
        http: httpx.AsyncClient,
        slots: asyncio.Semaphore,
        tries: int,
        first_pause_s: float = 0.5,
    ) -> None:
        self.place = place
        self._slots = slots
        self._cache, self._http = cache, http
        self._tries, self._first_pause_s = tries, first_pause_s
        self._failures = 0
        self._refusals = 0
        self._has_answered = False
        # Used for retry pauses only, not for any output.
        self._random = Random()

    async def ask(self, request: Request) -> Reply:
        """The cached or fresh reply to a request.

        Raises:
            UnansweredError: This request has no usable reply.
            EndpointUnusableError: MAX_FAILURES requests failed in succession, or as many were refused before
                any was answered, or the endpoint refuses the key or the model.
        """
        reply = self._cache.get(request)
        if reply is None:
            try:
                reply = await self._ask_with_retries(request)
            except UnansweredError as error:
                self._count(error)
                raise
            self._cache.put(request, reply)
        self._failures, self._has_answered = 0, True
        return reply

    def _count(self, error: UnansweredError) -> None:
        if isinstance(error, _RefusedError):
            self._refusals += 1
            if self._refusals >= MAX_FAILURES and not self._has_answered:
                raise EndpointUnusableError(
                    f"{self.place.base_url}: refused all of {self._refusals} requests, "
                    f"the last: {error.detail}"
                ) from error
            return
        self._failures += 1
        if self._failures >= MAX_FAILURES:
            raise EndpointUnusableError(
                f"{self.place.base_url}: {self._failures} requests failed in succession, "
                f"the last: {error.detail}"
            ) from error

    async def _ask_with_retries(self, request: Request) -> Reply:
        last = UnansweredError("endpoint_failed", "never tried")
        for attempt in range(self._tries):
            if attempt:
                await asyncio.sleep(self._pause_s(attempt, last))
            try:
                return await self._ask_once(request)
            except httpx.TransportError as error:
                last = UnansweredError("endpoint_failed", f"{type(error).__name__} {error}".strip())
            except _RetryError as error:
                last = error
        raise UnansweredError(last.reason, f"{self._tries} tries, the last: {last.detail}")

    async def _ask_once(self, request: Request) -> Reply:
        async with self._slots:
            response = await self._http.post(f"{self.place.base_url}/chat/completions", json=request.body())
        status = response.status_code
        if status in PERMANENT:
            raise EndpointUnusableError(f"{self.place.base_url} answers {status}: {response.text[:200]!r}")
        if status in TRANSIENT:
            raise _RetryError("endpoint_failed", f"status {status}", _retry_after_s(response))
        if status in REFUSALS:
            raise _RefusedError("endpoint_refused", f"status {status}: {response.text[:200]!r}")
        if status >= 400:
            raise UnansweredError("endpoint_refused", f"status {status}: {response.text[:200]!r}")
        try:
            return reply_from(response.json())
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            # HTML from a proxy, truncated JSON, another protocol: retried.
            raise _RetryError("endpoint_nonsense", f"{response.text[:200]!r}") from error

    def _pause_s(self, attempt: int, last: UnansweredError) -> float:
        retry_after_s = last.pause_s if isinstance(last, _RetryError) else 0.0
        max_s = min(MAX_PAUSE_S, self._first_pause_s * 2**attempt)
        return max(retry_after_s, self._random.uniform(0, max_s))


class _RetryError(UnansweredError):
    def __init__(self, reason: str, detail: str, pause_s: float = 0.0) -> None:
        super().__init__(reason, detail)
        self.pause_s = pause_s


class _RefusedError(UnansweredError):
    """One request is refused."""


def _retry_after_s(response: httpx.Response) -> float:
    value = response.headers.get("retry-after", "")
    return min(float(value), MAX_PAUSE_S) if value.isdigit() else 0.0
