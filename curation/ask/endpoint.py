"""A chat endpoint: a cap on what is in flight, bounded tries, and a reading of what comes back.

A row's failure is that row's; when failure follows on failure the endpoint is gone, and the stage stops
there.
"""

import asyncio
from random import Random

import httpx

from curation.ask.memory import Memory
from curation.ask.request import Place, Reply, Request, UnansweredError
from curation.ask.split import reply_from
from curation.errors import CurationError

# Worth another try: busy, overloaded, or a gateway between.
TRANSIENT = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
# The key or the model's name is wrong: so it will be for every row.
HOPELESS = frozenset({401, 403, 404})
LONGEST_PAUSE_S = 30.0
# So many requests in succession without one answer: the endpoint is gone.
MAX_FAILURES = 20


class EndpointDownError(CurationError):
    """The endpoint is gone or refuses everything; answers so far are kept, the same command goes on."""


class Endpoint:
    """Ask one endpoint, through a memory. Belongs to one event loop."""

    def __init__(
        self,
        place: Place,
        memory: Memory,
        http: httpx.AsyncClient,
        room: asyncio.Semaphore,
        tries: int,
        first_pause_s: float = 0.5,
    ) -> None:
        self.place = place
        self._room = room
        self._memory, self._http = memory, http
        self._tries, self._first_pause_s = tries, first_pause_s
        self._failures = 0
        # Only pauses depend on it, nothing that is written.
        self._random = Random()

    async def ask(self, request: Request) -> Reply:
        """`UnansweredError` when this request has no answer, `EndpointDownError` when none would have."""
        if (known := self._memory.recall(request)) is not None:
            return known
        try:
            reply = await self._tried(request)
        except UnansweredError as error:
            self._failures += 1
            if self._failures >= MAX_FAILURES:
                raise EndpointDownError(
                    f"{self.place.base_url}: {self._failures} requests failed in succession, "
                    f"the last: {error.detail}"
                ) from error
            raise
        self._failures = 0
        self._memory.keep(request, reply)
        return reply

    async def _tried(self, request: Request) -> Reply:
        last = UnansweredError("endpoint_failed", "never tried")
        for attempt in range(self._tries):
            if attempt:
                await asyncio.sleep(self._pause_s(attempt, last))
            try:
                return await self._once(request)
            except httpx.TransportError as error:
                last = UnansweredError("endpoint_failed", f"{type(error).__name__} {error}".strip())
            except _AgainError as error:
                last = error
        raise UnansweredError(last.reason, f"{self._tries} tries, the last: {last.detail}")

    async def _once(self, request: Request) -> Reply:
        async with self._room:
            response = await self._http.post(f"{self.place.base_url}/chat/completions", json=request.body())
        status = response.status_code
        if status in HOPELESS:
            raise EndpointDownError(f"{self.place.base_url} answers {status}: {response.text[:200]!r}")
        if status in TRANSIENT:
            raise _AgainError("endpoint_failed", f"status {status}", _asked_pause_s(response))
        if status >= 400:
            raise UnansweredError("endpoint_refused", f"status {status}: {response.text[:200]!r}")
        try:
            return reply_from(response.json())
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            # HTML from a proxy, half a JSON, another protocol: maybe better next time.
            raise _AgainError("endpoint_nonsense", f"{response.text[:200]!r}") from error

    def _pause_s(self, attempt: int, last: UnansweredError) -> float:
        asked_s = last.pause_s if isinstance(last, _AgainError) else 0.0
        max_s = min(LONGEST_PAUSE_S, self._first_pause_s * 2**attempt)
        return max(asked_s, self._random.uniform(0, max_s))


class _AgainError(UnansweredError):
    def __init__(self, reason: str, detail: str, pause_s: float = 0.0) -> None:
        super().__init__(reason, detail)
        self.pause_s = pause_s


def _asked_pause_s(response: httpx.Response) -> float:
    value = response.headers.get("retry-after", "")
    return min(float(value), LONGEST_PAUSE_S) if value.isdigit() else 0.0
