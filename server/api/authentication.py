"""API key authentication; records in the ASGI scope which key a request presented."""

from collections.abc import Iterable, Sequence

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from server.api.errors import error_response
from server.api.paths import route_path
from server.keys.key import Key, find_key

OPEN_ENDPOINTS = {"health": ("/health", "/ping"), "metrics": ("/metrics",)}
"""Paths that need no key, by their name in --open-endpoints."""
PAGE = "/"
PAGE_FILES = "/page/"
"""The demo page and its files need no key: they contain no user data."""
_KEY = "s1_key"


class KeyMiddleware:
    """Replaces vLLM's authentication.

    vLLM's has no key names, does not read `x-api-key`, and leaves /invocations open.
    """

    def __init__(self, app: ASGIApp, keys: Sequence[Key], endpoints: Iterable[str]) -> None:
        self.app = app
        self._keys = keys
        self._open = frozenset({PAGE, *(path for name in endpoints for path in OPEN_ENDPOINTS[name])})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Require a key on every path that is not open."""
        if scope["type"] not in ("http", "websocket") or scope.get("method") == "OPTIONS":
            await self.app(scope, receive, send)
            return
        path = route_path(scope)
        presented = _presented(Headers(scope=scope))
        key = next((found for each in presented if (found := find_key(self._keys, each))), None)
        if key is None and path not in self._open and not path.startswith(PAGE_FILES):
            await self._refuse(path, scope, receive, send)
            return
        scope[_KEY] = key
        await self.app(scope, receive, send)

    async def _refuse(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "no valid API key"})
            return
        message = "no valid API key: send it as 'Authorization: Bearer KEY' or as 'x-api-key: KEY'"
        response = error_response(path, 401, message, headers={"WWW-Authenticate": "Bearer"})
        await response(scope, receive, send)


def key_of(scope: Scope) -> Key | None:
    """The key of a request; None if the server has no keys."""
    key: Key | None = scope.get(_KEY)
    return key


def _presented(headers: Headers) -> list[str]:
    """OpenAI's header and Anthropic's: a client of the one may send the other, empty or with a word in it."""
    scheme, _, secret = headers.get("authorization", "").partition(" ")
    bearer = secret.strip() if scheme.lower() == "bearer" else ""
    return [each for each in (bearer, headers.get("x-api-key", "")) if each]
