"""The thinking limits of each key, and the 429 response when its quota is exhausted."""

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

    @property
    def is_spent(self) -> bool:
        """Whether the key's quota is exhausted in this window."""
        return self.meter is not None and self.meter.is_spent

    def headers(self) -> Mapping[str, str]:
        """The x-ratelimit-* headers, in thinking tokens; none without a quota."""
        if self.meter is None:
            return {}
        return {
            "x-ratelimit-limit-tokens": str(self.meter.quota.tokens),
            "x-ratelimit-remaining-tokens": str(self.meter.left),
            "x-ratelimit-reset-tokens": f"{self._reset_s}s",
        }

    def refusal(self, path: str) -> JSONResponse:
        """The 429 response to a request that would think although the quota is exhausted."""
        assert self.meter is not None
        quota, retry = self.meter.quota, self._reset_s
        message = (
            f"The key {self.key_name} has spent its {quota.tokens} thinking tokens of {quota.window_s} s."
            f" It may think again in {retry} s, and ask with a thinking_budget of 0 until then."
        )
        return error_response(path, 429, message, headers={"Retry-After": str(retry), **self.headers()})

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


def limits_by_key(keys: Iterable[Key], defaults: BudgetDefaults) -> Mapping[str | None, KeyLimits]:
    """The limits by key name; None stands for requests without a key.

    Raises:
        ValueError: A key's ceiling contradicts the server's default budget.
    """
    found: dict[str | None, KeyLimits] = {None: KeyLimits(None, defaults)}
    for key in keys:
        meter = None if key.quota is None else Meter(key.quota)
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
