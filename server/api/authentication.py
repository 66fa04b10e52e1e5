"""Lets those in who have a key, and says to the rest of the server which one it was."""

from collections.abc import Iterable, Sequence

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from server.api.errors import error_response
from server.keys.key import Key, find_key

OPEN_ENDPOINTS = {"health": ("/health", "/ping"), "metrics": ("/metrics",)}
"""What --open-endpoints opens to whoever asks."""
PAGE = "/"
PAGE_FILES = "/page/"
"""Open, too: they hold nothing of anybody's."""
_KEY = "s1_key"


class KeyMiddleware:
    """In vLLM's place, which knows no names, no `x-api-key`, and leaves /invocations open."""

    def __init__(self, app: ASGIApp, keys: Sequence[Key], endpoints: Iterable[str]) -> None:
        self.app = app
        self._keys = keys
        self._open = frozenset({PAGE, *(path for name in endpoints for path in OPEN_ENDPOINTS[name])})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Guards every path but the open ones."""
        if scope["type"] not in ("http", "websocket") or scope.get("method") == "OPTIONS":
            await self.app(scope, receive, send)
            return
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        key = find_key(self._keys, _presented(Headers(scope=scope)))
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
    """The key that a request came with; None where the server has none."""
    key: Key | None = scope.get(_KEY)
    return key


def _presented(headers: Headers) -> str:
    """OpenAI's header, or Anthropic's."""
    scheme, _, secret = headers.get("authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
