"""A scorer at a configured address: vLLM's /score, /classify or /pooling, or a chat model as judge.

A client can only name a configured scorer; it cannot make the server call another address.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from types import TracebackType
from typing import Any, Literal, Self

import httpx
from pydantic import BaseModel, ConfigDict, Field

from server.reasoning.messages import without_none
from server.scaling.scorers.judge import parse_score, prompt_of, text_of
from server.scaling.scorers.scorer import Scorable, ScorerError, ScorerUsage

Messages = Sequence[Mapping[str, Any]]
Body = dict[str, Any]


class ScorerSettings(BaseModel):
    """One entry of --scorers. `url` is the base address, with or without /v1."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["score", "classify", "pooling", "judge"]
    url: str = Field(pattern="^https?://")
    model: str | None = None
    api_key_env: str | None = None
    """The environment variable that holds the API key."""
    timeout_s: float = Field(default=60.0, gt=0)
    step_mark: str = ""
    """Appended to each step of thinking, e.g. "<extra_0>" for Qwen2.5-Math-PRM."""
    end_mark: str = ""
    """Appended to thinking that has ended, e.g. "</think>", for a scorer that was trained with it."""
    reads_thinking: bool = False
    """Whether best_of_n shows it each sample's thinking in front of the answer; else the answer alone."""
    label: int = -1
    """For kind "classify": index of the class whose probability is the score."""
    task: str | None = None
    """vLLM's pooling task, if not the model's default."""


class EndpointScorer:
    """Implements Scorer for the conversation of one request."""

    wants_logprobs = False

    def __init__(
        self, name: str, settings: ScorerSettings, http: httpx.AsyncClient, conversation: Messages
    ) -> None:
        self.name = name
        self.usage = ScorerUsage()
        self._settings = settings
        self._http = http
        self._conversation = conversation
        self._known: dict[str, float] = {}
        """The scores of this request: a search draws many steps more than once."""

    async def score(self, candidates: Sequence[Scorable]) -> list[float]:
        """One finite score per candidate, in order.

        Raises:
            ScorerError: The endpoint cannot be reached, refuses the request, or returns something else.
        """
        every = [self._text(each) for each in candidates]
        texts = [text for text in dict.fromkeys(every) if text not in self._known]
        try:
            scores = await _KINDS[self._settings.kind](self, texts) if texts else []
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise ScorerError(f"the scorer {self.name!r} returned no score: {error}") from error
        if len(scores) != len(texts) or not all(isfinite(score) for score in scores):
            raise ScorerError(f"the scorer {self.name!r} returned no score: {scores} for {len(texts)} texts")
        self._known |= zip(texts, scores, strict=True)
        return [self._known[text] for text in every]

    def _text(self, candidate: Scorable) -> str:
        settings = self._settings
        if candidate.answer is not None and not settings.reads_thinking:
            return candidate.answer
        thinking = "".join(step + settings.step_mark for step in candidate.steps)
        return thinking + (settings.end_mark if candidate.is_ended else "") + (candidate.answer or "")

    async def _scores(self, texts: Sequence[str]) -> list[float]:
        body = await self._post("/score", {"text_1": text_of(self._conversation), "text_2": list(texts)})
        return [float(each["score"]) for each in sorted(body["data"], key=lambda each: each["index"])]

    async def _each(self, path: str, texts: Sequence[str], read: Callable[[Body], float]) -> list[float]:
        async def one(text: str) -> float:
            messages = [*without_none(self._conversation), {"role": "assistant", "content": text}]
            more = {} if self._settings.task is None else {"task": self._settings.task}
            return read(await self._post(path, {"messages": messages, **more}))

        return list(await asyncio.gather(*(one(text) for text in texts)))

    async def _classes(self, texts: Sequence[str]) -> list[float]:
        return await self._each(
            "/classify", texts, lambda body: float(body["data"][0]["probs"][self._settings.label])
        )

    async def _pooled(self, texts: Sequence[str]) -> list[float]:
        return await self._each("/pooling", texts, lambda body: _last(body["data"][0]["data"]))

    async def _judged(self, texts: Sequence[str]) -> list[float]:
        async def one(text: str) -> float:
            messages = [{"role": "user", "content": prompt_of(self._conversation, text)}]
            body = await self._post("/v1/chat/completions", {"messages": messages, "temperature": 0})
            return parse_score(body["choices"][0]["message"]["content"])

        return list(await asyncio.gather(*(one(text) for text in texts)))

    async def _post(self, path: str, body: Body) -> Body:
        settings = self._settings
        base = settings.url.rstrip("/").removesuffix("/v1")
        key = os.environ.get(settings.api_key_env) if settings.api_key_env else None
        try:
            response = await self._http.post(
                base + path,
                json=body if settings.model is None else {"model": settings.model, **body},
                headers={"Authorization": f"Bearer {key}"} if key else {},
                timeout=settings.timeout_s,
            )
        except httpx.HTTPError as error:
            raise ScorerError(
                f"the scorer {self.name!r} cannot be reached ({type(error).__name__})"
            ) from error
        if response.status_code != 200:
            raise ScorerError(f"the scorer {self.name!r} refuses {path} with status {response.status_code}")
        answer: Body = response.json()
        self.usage.calls += 1
        self.usage.tokens += int((answer.get("usage") or {}).get("total_tokens") or 0)
        return answer


_KINDS: dict[str, Callable[[EndpointScorer, Sequence[str]], Awaitable[list[float]]]] = {
    "score": EndpointScorer._scores,
    "classify": EndpointScorer._classes,
    "pooling": EndpointScorer._pooled,
    "judge": EndpointScorer._judged,
}


def _last(data: Any) -> float:
    """The last number of nested lists: of [[no, yes], ...] the last yes, of [reward] the reward."""
    while isinstance(data, list):
        data = data[-1]
    return float(data)


@dataclass(slots=True)
class Scorers:
    """The configured scorers by name, with one shared HTTP client; a context for the server's lifetime."""

    settings: Mapping[str, ScorerSettings]
    _http: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        self._http = httpx.AsyncClient()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._http is not None
        await self._http.aclose()

    def scorer(self, name: str, conversation: Messages) -> EndpointScorer:
        """The scorer `name` for one request."""
        assert self._http is not None
        return EndpointScorer(name, self.settings[name], self._http, conversation)
