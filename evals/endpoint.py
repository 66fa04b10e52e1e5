"""One chat completion from an OpenAI-compatible endpoint: sent, retried if useful, and parsed.

Defines which failures are retried and how a response is read; callers decide how to handle errors.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from types import TracebackType
from typing import Any, Self

import httpx

from evals.errors import EvalError
from evals.events import events_of

# Retried: the server is busy or overloaded, or a gateway failed.
TRANSIENT = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
MAX_PAUSE_S = 30.0
# The exceptions of parsing a response of another format.
MALFORMED = (ValueError, KeyError, IndexError, TypeError, AttributeError)


class EndpointError(EvalError):
    """The endpoint cannot be measured: it is down, or refuses the request."""


class EndpointDownError(EndpointError):
    """No response after all tries."""


class RequestRefusedError(EndpointError):
    """A 4xx response: the same request would be refused again."""


class _FailedStreamError(Exception):
    """An error that a server tells in an event of a stream, after a status of 200."""

    def __init__(self, told: object, event: str) -> None:
        code = told.get("code") if isinstance(told, dict) else None
        status = code if isinstance(code, int) and 400 <= code < 600 else None
        super().__init__(f"{status or 'in the stream:'} {_reason(event)}")
        self.is_refusal = status is not None and status not in TRANSIENT


@dataclass(frozen=True, slots=True)
class EvalRequest:
    """One request. `thinking_budget` None omits the field."""

    model: str
    prompt: str
    thinking_budget: dict[str, int | str] | None
    temperature: float
    top_p: float
    seed: int
    max_completion_tokens: int | None
    scaling: Mapping[str, int | float | str] | None = None

    def body(self) -> dict[str, Any]:
        """The JSON body of the request."""
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "user", "content": self.prompt}],
            "temperature": self.temperature,
            "top_p": self.top_p,
            "seed": self.seed,
        }
        if self.thinking_budget is not None:
            body["thinking_budget"] = self.thinking_budget
        if self.scaling is not None:
            body["scaling"] = dict(self.scaling)
        if self.max_completion_tokens is not None:
            body["max_completion_tokens"] = self.max_completion_tokens
        return body


@dataclass(frozen=True, slots=True)
class EvalReply:
    """A parsed response; counts are tokens, None if the endpoint does not report them.

    `echo` is its `thinking` object, `scaling` its object of that name.
    """

    thinking: str
    answer: str
    thinking_tokens: int | None
    answer_tokens: int | None
    finish_reason: str | None
    echo: dict[str, Any] | None
    model: str
    latency_s: float
    first_token_s: float | None = None
    first_answer_token_s: float | None = None
    spent_tokens: int | None = None
    """Thinking tokens of all samples."""
    written_tokens: int | None = None
    """All generated tokens."""
    scaling: dict[str, Any] | None = None


class Endpoint:
    """An endpoint at a base URL such as http://127.0.0.1:8000/v1; a context that closes its connections."""

    def __init__(self, base_url: str, api_key: str, timeout_s: float, tries: int, stream: bool) -> None:
        self.base_url = base_url.rstrip("/")
        self._tries = tries
        self._stream = stream
        self._random = Random()
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._timeout = httpx.Timeout(timeout_s, connect=10.0)
        self._tls = httpx.create_ssl_context()
        self._idle: list[httpx.AsyncClient] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for http in self._idle:
            await http.aclose()

    @asynccontextmanager
    async def _http(self) -> AsyncIterator[httpx.AsyncClient]:
        """An HTTP client with a single connection, reused by later requests.

        One client with 64 connections scans all of them for every request, which takes longer than the
        request.
        """
        http = self._idle.pop() if self._idle else self._client()
        try:
            yield http
        finally:
            self._idle.append(http)

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(headers=self._headers, timeout=self._timeout, verify=self._tls)

    async def models(self) -> list[dict[str, Any]]:
        """The endpoint's list of models.

        Raises:
            EndpointDownError: It cannot be reached.
            RequestRefusedError: It returns an error.
            EndpointError: The response has another format.
        """
        response = await self._get(f"{self.base_url}/models")
        try:
            return [dict(one) for one in response.json().get("data", [])]
        except MALFORMED as error:
            raise self._malformed(response.text) from error

    async def version(self) -> str | None:
        """The version that vLLM-like servers report at /version, else None."""
        try:
            async with self._http() as http:
                response = await http.get(f"{self.base_url.removesuffix('/v1')}/version")
            return str(response.json()["version"]) if response.status_code == 200 else None
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return None

    async def _get(self, url: str) -> httpx.Response:
        try:
            async with self._http() as http:
                response = await http.get(url)
        except httpx.TransportError as error:
            raise EndpointDownError(f"the endpoint {self.base_url} is down ({_kind(error)})") from error
        if response.status_code >= 400:
            raise RequestRefusedError(
                f"the endpoint refuses {url}: {response.status_code} {_reason(response.text)}"
            )
        return response

    async def complete(self, ask: EvalRequest) -> EvalReply:
        """The reply to a request, with retries.

        Raises:
            RequestRefusedError: The endpoint refuses the request.
            EndpointDownError: All tries failed.
            EndpointError: The response has another format.
        """
        for attempt in range(1, self._tries + 1):
            pause_s = self._random.uniform(0, min(MAX_PAUSE_S, 0.5 * 2**attempt))
            try:
                return await (self._streamed(ask) if self._stream else self._whole(ask))
            except httpx.TransportError as error:
                last = _kind(error)
            except httpx.HTTPStatusError as error:
                last = f"{error.response.status_code} {_reason(error.response.text)}"
                if error.response.status_code not in TRANSIENT:
                    raise RequestRefusedError(
                        f"the endpoint {self.base_url} refuses the request: {last}"
                    ) from error
                pause_s = max(pause_s, _retry_after_s(error.response))
            except _FailedStreamError as error:
                last = str(error)
                if error.is_refusal:
                    raise RequestRefusedError(
                        f"the endpoint {self.base_url} refuses the request: {last}"
                    ) from error
            if attempt < self._tries:
                await asyncio.sleep(pause_s)
        raise EndpointDownError(
            f"the endpoint {self.base_url} is down: {self._tries} tries, the last: {last}"
        )

    async def _whole(self, ask: EvalRequest) -> EvalReply:
        start = time.perf_counter()
        async with self._http() as http:
            response = await http.post(f"{self.base_url}/chat/completions", json=ask.body())
        response.raise_for_status()
        latency_s = time.perf_counter() - start
        try:
            body = response.json()
            choice = body["choices"][0]
            return _reply(choice["message"], choice, body, latency_s)
        except MALFORMED as error:
            raise self._malformed(response.text) from error

    def _malformed(self, body: str) -> EndpointError:
        return EndpointError(f"{self.base_url} does not answer as OpenAI does: {body[:200]!r}")

    async def _streamed(self, ask: EvalRequest) -> EvalReply:
        body = ask.body() | {"stream": True, "stream_options": {"include_usage": True}}
        start = time.perf_counter()
        parts = _Parts(start)
        url = f"{self.base_url}/chat/completions"
        async with self._http() as http, http.stream("POST", url, json=body) as response:
            if response.status_code >= 400:
                await response.aread()
                response.raise_for_status()
            async for event in events_of(response):
                try:
                    told = json.loads(event)
                    if told.get("error"):
                        raise _FailedStreamError(told["error"], event)
                    parts.add(told)
                except MALFORMED as error:
                    raise self._malformed(event) from error
        if parts.choice.get("finish_reason") is None:
            raise httpx.RemoteProtocolError("the stream broke off")
        try:
            return parts.reply()
        except MALFORMED as error:
            raise self._malformed(str(parts.choice)) from error


class _Parts:
    """Assembles a streamed reply, with the times of its first tokens."""

    def __init__(self, start: float) -> None:
        self._start = start
        self._thinking: list[str] = []
        self._answer: list[str] = []
        self._body: dict[str, Any] = {}
        self._first_s: float | None = None
        self._first_answer_s: float | None = None
        self.choice: dict[str, Any] = {}

    def add(self, event: dict[str, Any]) -> None:
        now_s = time.perf_counter() - self._start
        self._body |= {key: value for key, value in event.items() if value is not None and key != "choices"}
        for choice in event.get("choices", []):
            delta = choice.pop("delta", None) or {}
            self.choice |= {key: value for key, value in choice.items() if value is not None}
            thinking, answer = _thinking_of(delta), _text(delta.get("content"))
            if (thinking or answer) and self._first_s is None:
                self._first_s = now_s
            if answer and self._first_answer_s is None:
                self._first_answer_s = now_s
            self._thinking.append(thinking)
            self._answer.append(answer)

    def reply(self) -> EvalReply:
        message = {"reasoning_content": "".join(self._thinking), "content": "".join(self._answer)}
        latency_s = time.perf_counter() - self._start
        return _reply(message, self.choice, self._body, latency_s, self._first_s, self._first_answer_s)


def _thinking_of(message: dict[str, Any]) -> str:
    return _text(message.get("reasoning_content") or message.get("reasoning"))


def _text(value: object) -> str:
    if not isinstance(value, str | None):
        raise TypeError(f"{type(value).__name__} instead of text")
    return value or ""


def _reply(
    message: dict[str, Any],
    choice: dict[str, Any],
    body: dict[str, Any],
    latency_s: float,
    first_token_s: float | None = None,
    first_answer_token_s: float | None = None,
) -> EvalReply:
    usage = body.get("usage") or {}
    echo = choice.get("thinking")
    spent_tokens = thinking_tokens = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens")
    if isinstance(echo, dict) and isinstance(echo.get("tokens"), int):
        thinking_tokens = echo["tokens"]
    written = usage.get("completion_tokens")
    scaling = body.get("scaling") if isinstance(body.get("scaling"), dict) else None
    is_one = written is not None and thinking_tokens is not None and scaling is None
    return EvalReply(
        thinking=_thinking_of(message),
        answer=_text(message.get("content")),
        thinking_tokens=thinking_tokens,
        answer_tokens=(written or 0) - (thinking_tokens or 0) if is_one else None,
        finish_reason=choice.get("finish_reason"),
        echo=echo if isinstance(echo, dict) else None,
        model=str(body.get("model", "")),
        latency_s=latency_s,
        first_token_s=first_token_s,
        first_answer_token_s=first_answer_token_s,
        spent_tokens=thinking_tokens if scaling is None else spent_tokens,
        written_tokens=written,
        scaling=scaling,
    )


def _reason(text: str) -> str:
    """The message of an OpenAI error envelope, else the beginning of the text."""
    try:
        return str(json.loads(text)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return text[:200]


def _kind(error: httpx.TransportError) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")


def _retry_after_s(response: httpx.Response) -> float:
    value = response.headers.get("retry-after", "")
    return min(float(value), MAX_PAUSE_S) if value.isdigit() else 0.0
