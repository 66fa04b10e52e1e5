"""The thinking limits of each key, and the response when its quota is exhausted or cannot be looked up."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import Message, Send

from server.api.errors import error_response
from server.budget.budget import BudgetError
from server.budget.parsing.defaults import BudgetDefaults
from server.engine.client.call import Call
from server.keys.key import Key
from server.keys.meter import Meter
from server.keys.store.store import QuotaStore

STORE_RETRY_S = 2


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """The limits of one key; `key_name` None: of requests without a key."""

    key_name: str | None
    defaults: BudgetDefaults
    meter: Meter | None = None
    is_limited: bool = False
    """Whether the key itself has a limit: requests that could bypass it are refused."""

    def check(self, call: Call) -> None:
        """Check that the request's thinking can be counted and cut.

        Raises:
            BudgetError: It is a beam search, and thinking is limited.
        """
        if call.has_beams and (self.is_limited or self.defaults.ceiling is not None):
            whose = f"the key {self.key_name}" if self.is_limited else "this server"
            raise BudgetError(
                "use_beam_search", f"{whose} has a limit on thinking tokens, which beam search cannot keep"
            )

    async def refusal(self, path: str, *, thinks: bool) -> JSONResponse | None:
        """The response to a request that would think although its key may not; None where it may.

        Args:
            path: The request's.
            thinks: Whether it may think at all.
        """
        if self.meter is None:
            return None
        await self.meter.refresh(wants_more=thinks)
        if not thinks or not self.meter.is_spent:
            return None
        return self._store_is_down(path) if self.meter.left else self._quota_is_spent(path)

    async def refresh(self) -> None:
        """Find out what is left of the quota: for a request that is not refused but charged, and told."""
        if self.meter is not None:
            await self.meter.refresh(wants_more=False)

    def headers(self) -> Mapping[str, str]:
        """The x-ratelimit-* headers, in thinking tokens; none without a quota."""
        if self.meter is None:
            return {}
        return {
            "x-ratelimit-limit-tokens": str(self.meter.quota.tokens),
            "x-ratelimit-remaining-tokens": str(self.meter.left),
            "x-ratelimit-reset-tokens": f"{self._reset_s}s",
        }

    def _quota_is_spent(self, path: str) -> JSONResponse:
        assert self.meter is not None
        quota, retry = self.meter.quota, self._reset_s
        message = (
            f"The key {self.key_name} has spent its {quota.tokens} thinking tokens of {quota.window_s} s."
            f" It may think again in {retry} s, and ask with a thinking_budget of 0 until then."
        )
        return error_response(path, 429, message, headers={"Retry-After": str(retry), **self.headers()})

    def _store_is_down(self, path: str) -> JSONResponse:
        message = (
            f"What is left of the quota of the key {self.key_name} is not known now: the store of quotas does"
            " not answer. Try again, or ask with a thinking_budget of 0."
        )
        return error_response(path, 503, message, headers={"Retry-After": str(STORE_RETRY_S)})

    def on(self, send: Send) -> Send:
        """A `send` that adds the headers to the response."""
        if self.meter is None:
            return send

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(raw=message["headers"]).update(self.headers())
            await send(message)

        return with_headers

    @property
    def _reset_s(self) -> int:
        assert self.meter is not None
        return max(1, math.ceil(self.meter.resets_in_s))


def limits_by_key(
    keys: Iterable[Key], defaults: BudgetDefaults, store: QuotaStore
) -> Mapping[str | None, KeyLimits]:
    """The limits by key name; None stands for requests without a key.

    Raises:
        ValueError: A key's ceiling contradicts the server's default budget.
    """
    found: dict[str | None, KeyLimits] = {None: KeyLimits(None, defaults)}
    for key in keys:
        meter = None if key.quota is None else store.meter(key.name, key.quota)
        found[key.name] = KeyLimits(key.name, _under(key, defaults), meter, key.is_limited)
    return found


def _under(key: Key, defaults: BudgetDefaults) -> BudgetDefaults:
    ceiling = key.max_thinking_tokens
    if ceiling is None or (defaults.ceiling is not None and defaults.ceiling <= ceiling):
        return defaults
    try:
        under = replace(defaults, ceiling=ceiling, ceiling_name=f"the ceiling of the key {key.name}")
        for preset in under.presets.values():
            under.under(preset)  # what a request would raise is raised at start
        return under
    except ValueError as error:
        raise ValueError(f"key {key.name}: {error}") from error
