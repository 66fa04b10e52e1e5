"""What the bearer of a key may let the model think, and what is said when it is used up."""

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
    """Of one key, or of everybody where the server has none. `key_name` is the key's name."""

    key_name: str | None
    defaults: BudgetDefaults
    meter: Meter | None = None
    is_limited: bool = False
    """By the key itself: no way around may be left open."""

    def check(self, call: Call) -> None:
        """Raises BudgetError on a request whose thinking could be neither counted nor cut."""
        if call.has_beams and (self.is_limited or self.defaults.ceiling is not None):
            whose = f"the key {self.key_name}" if self.is_limited else "this server"
            raise BudgetError("use_beam_search", f"{whose} has a limit on thinking: it takes no beam search")

    @property
    def is_spent(self) -> bool:
        """No thinking is left in this window."""
        return self.meter is not None and self.meter.is_spent

    def headers(self) -> Mapping[str, str]:
        """The usual ones, of thinking tokens; none without a quota."""
        if self.meter is None:
            return {}
        return {
            "x-ratelimit-limit-tokens": str(self.meter.quota.tokens),
            "x-ratelimit-remaining-tokens": str(self.meter.left),
            "x-ratelimit-reset-tokens": f"{self._reset_s}s",
        }

    def refusal(self, path: str) -> JSONResponse:
        """To a request that would think, the quota being spent."""
        assert self.meter is not None
        quota, retry = self.meter.quota, self._reset_s
        message = (
            f"The key {self.key_name} has spent its {quota.tokens} thinking tokens of {quota.window_s} s."
            f" It may think again in {retry} s, and ask with a thinking_budget of 0 until then."
        )
        return error_response(path, 429, message, headers={"Retry-After": str(retry), **self.headers()})

    def on(self, send: Send) -> Send:
        """Put the headers on a response."""
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
    """By the key's name; None is nobody's. Raises ValueError where a key's ceiling contradicts the server's
    default budget."""
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
        return replace(defaults, ceiling=ceiling, ceiling_name=f"the ceiling of the key {key.name}")
    except ValueError as error:
        raise ValueError(f"key {key.name}: {error}") from error
