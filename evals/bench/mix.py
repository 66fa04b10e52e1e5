"""A fixed mix of 500 requests: all endpoints, with and without streaming, n choices, errors, disconnects.

The server is to have the ceiling CEILING.
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import httpx

from evals.events import events_of

Json = dict[str, Any]

CEILING = 600
CHAT = "/v1/chat/completions"
QUESTION = "Find the smallest prime factor of {}."
AT_ONCE = 40


@dataclass(slots=True)
class Outcome:
    """The result of one request. `choices`: number asked for, and number begun."""

    kind: str
    choices: int = 0
    status: int | None = None
    """None: the client left."""
    is_clamped: bool = False
    is_refused: bool = False
    """Its thinking budget was."""
    id: str | None = None
    reports: list[Json] = field(default_factory=list)
    """The `thinking` of each of its choices."""
    output_tokens: int = 0
    """By its `usage`."""
    sampled_tokens: int | None = None
    """Thinking tokens of all samples, by its `usage`, where they have no reports of their own."""


Job = Callable[[], Coroutine[Any, Any, Outcome]]


@dataclass(slots=True)
class Mix:
    """Sends the requests; the same seed gives the same requests."""

    client: httpx.AsyncClient
    chance: random.Random = field(default_factory=lambda: random.Random(6))

    @property
    def table(self) -> list[tuple[int, Job]]:
        """How many of each kind."""
        return [
            (120, self._chat),
            (100, self._chat_stream),
            (50, self._completions),
            (30, self._completions_stream),
            (30, self._responses),
            (20, self._responses_stream),
            (30, self._messages),
            (20, self._messages_stream),
            (15, self._batch),
            (45, self._leave),
            (40, self._mistake),
        ]

    async def run(self, share: float = 1) -> list[Outcome]:
        """Send all 500, or a share of each kind, AT_ONCE concurrently, in shuffled order."""
        jobs = [job() for count, job in self.table for _ in range(round(count * share))]
        self.chance.shuffle(jobs)
        room = asyncio.Semaphore(AT_ONCE)

        async def one(job: Coroutine[Any, Any, Outcome]) -> Outcome:
            async with room:
                return await job

        return await asyncio.gather(*map(one, jobs))

    # -- what is sent ----------------------------------------------------------------------------

    def _question(self) -> str:
        return QUESTION.format(self.chance.randrange(100, 999))

    def _body(self, outcome: Outcome) -> Json:
        """A body with a random budget and temperature."""
        budget: Any = self.chance.choice(
            [
                None,
                None,
                0,
                8,
                40,
                -1,
                CEILING + 1,
                {"num_waits": 1, "max_tokens": 200},
                {"num_waits": 2, "nudge": ["Hmm", "Wait"]},
                {"min_tokens": 60},
                {"max_tokens": 20, "end_message": "\n\nSo:"},
            ]
        )
        outcome.is_clamped = budget in (-1, CEILING + 1)
        body: Json = {"model": "s1-nano", "temperature": self.chance.choice([0.0, 1.0])}
        if budget is not None:
            body["thinking_budget"] = budget
        return body

    def _chat_body(self, outcome: Outcome) -> Json:
        outcome.choices = self.chance.choice([1, 1, 1, 2, 3])
        body = self._body(outcome) | {"n": outcome.choices}
        body["messages"] = [{"role": "user", "content": self._question()}]
        extra: list[Json] = [{}, {}, {"stop": ["Answer"]}, {"max_completion_tokens": 24}]
        if not isinstance(body.get("thinking_budget"), dict):  # none has an end_message of its own
            extra.append({"max_completion_tokens": 30, "structured_outputs": {"regex": "[0-9]{1,3}"}})
        return body | self.chance.choice(extra) | ({"temperature": 1.0} if outcome.choices > 1 else {})

    async def _chat(self) -> Outcome:
        outcome = Outcome("chat")
        body = await self._send(outcome, CHAT, self._chat_body(outcome))
        return self._whole(outcome, body)

    async def _chat_stream(self) -> Outcome:
        outcome = Outcome("chat stream")
        body = self._chat_body(outcome) | {"stream": True, "stream_options": {"include_usage": True}}
        async for event in self._events(outcome, CHAT, body):
            self._event(outcome, event)
        return outcome

    def _completions_body(self, outcome: Outcome) -> Json:
        prompts = [
            f"<|im_start|>user\n{self._question()}<|im_end|>\n<|im_start|>assistant\n<think>\n"
            for _ in range(self.chance.choice([1, 2, 3]))
        ]
        n = self.chance.choice([1, 2])
        outcome.choices = n * len(prompts)
        return self._body(outcome) | {"prompt": prompts, "n": n, "max_tokens": 150, "temperature": 1.0}

    async def _completions(self) -> Outcome:
        outcome = Outcome("completions")
        body = await self._send(outcome, "/v1/completions", self._completions_body(outcome))
        return self._whole(outcome, body)

    async def _completions_stream(self) -> Outcome:
        outcome = Outcome("completions stream")
        body = self._completions_body(outcome) | {"stream": True, "stream_options": {"include_usage": True}}
        async for event in self._events(outcome, "/v1/completions", body):
            self._event(outcome, event)
        return outcome

    async def _responses(self) -> Outcome:
        outcome = Outcome("responses", choices=1)
        body = self._body(outcome) | {"input": self._question()}
        return self._only(outcome, await self._send(outcome, "/v1/responses", body))

    async def _responses_stream(self) -> Outcome:
        outcome = Outcome("responses stream", choices=1)
        body = self._body(outcome) | {"input": self._question(), "stream": True}
        async for event in self._events(outcome, "/v1/responses", body):
            if event["type"] in ("response.completed", "response.incomplete"):
                self._only(outcome, event["response"])
        return outcome

    def _messages_body(self, outcome: Outcome) -> Json:
        messages = [{"role": "user", "content": self._question()}]
        return self._body(outcome) | {"messages": messages, "max_tokens": 300}

    async def _messages(self) -> Outcome:
        outcome = Outcome("messages", choices=1)
        body = await self._send(outcome, "/v1/messages", self._messages_body(outcome))
        return self._only(outcome, body)

    async def _messages_stream(self) -> Outcome:
        outcome = Outcome("messages stream", choices=1)
        body = self._messages_body(outcome) | {"stream": True}
        async for event in self._events(outcome, "/v1/messages", body):
            if event["type"] == "message_delta":
                self._only(outcome, event)
        return outcome

    async def _batch(self) -> Outcome:
        outcome = Outcome("batch", choices=2)
        body = self._body(outcome)
        body["messages"] = [[{"role": "user", "content": self._question()}] for _ in range(2)]
        return self._whole(outcome, await self._send(outcome, f"{CHAT}/batch", body))

    async def _leave(self) -> Outcome:
        """Disconnect after a few tokens, during thinking or during a long answer."""
        outcome = Outcome("leave", choices=2)
        body: Json = {"model": "s1-nano", "n": 2, "stream": True, "ignore_eos": True, "temperature": 1.0}
        body["messages"] = [{"role": "user", "content": self._question()}]
        body["thinking_budget"] = self.chance.choice([{"min_tokens": CEILING, "nudge": "Hmm"}, 0])
        async with self.client.stream("POST", CHAT, json=body) as response:
            seen = 0
            async for _ in response.aiter_lines():
                seen += 1
                if seen == 30:
                    break
        return outcome

    async def _mistake(self) -> Outcome:
        good = {"model": "s1-nano", "messages": [{"role": "user", "content": self._question()}]}
        mistakes: list[tuple[Json, bool]] = [
            ({"thinking_budget": {"max_tokens": 5, "min_tokens": 9}}, True),
            ({"thinking_budgets": 5}, True),
            ({"thinking_budget": {"answer_reserve_tokens": 900}, "max_tokens": 300}, True),
            ({"thinking_budget": {"num_waits": 1, "nudge": "</think>"}}, True),
            ({"model": f"gpt-{self.chance.randrange(99)}"}, False),
            ({"temperature": -3}, False),
            ({"messages": [{"role": "user", "content": "17 " * 3000}]}, False),
        ]
        change, is_refused = self.chance.choice(mistakes)
        outcome = Outcome("mistake", is_refused=is_refused)
        await self._send(outcome, CHAT, good | change)
        return outcome

    # -- what comes back -------------------------------------------------------------------------

    async def _send(self, outcome: Outcome, path: str, body: Json) -> Json:
        response = await self.client.post(path, json=body)
        outcome.status = response.status_code
        answer: Json = response.json()
        return answer

    async def _events(self, outcome: Outcome, path: str, body: Json) -> AsyncIterator[Json]:
        async with self.client.stream("POST", path, json=body) as response:
            outcome.status = response.status_code
            async for event in events_of(response):
                yield json.loads(event)

    def _whole(self, outcome: Outcome, body: Json) -> Outcome:
        outcome.id = body["id"]
        outcome.reports = [choice["thinking"] for choice in body["choices"]]
        outcome.output_tokens = body["usage"]["completion_tokens"]
        return outcome

    def _event(self, outcome: Outcome, event: Json) -> None:
        outcome.id = event["id"]
        outcome.reports += [choice["thinking"] for choice in event["choices"] if choice.get("finish_reason")]
        if event.get("usage"):
            outcome.output_tokens = event["usage"]["completion_tokens"]

    def _only(self, outcome: Outcome, body: Json) -> Outcome:
        outcome.reports = [body["thinking"]]
        outcome.output_tokens = body["usage"]["output_tokens"]
        return outcome
