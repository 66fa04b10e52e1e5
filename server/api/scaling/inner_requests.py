"""A client's chat request as a Sampler: each ask goes through vLLM's own chat route, in this process.

So everything that holds for one request holds for each sample: its budget, its adapter, its template, its
stops, its counting. An ask that is cancelled is to the route a client that went away.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

from starlette.types import ASGIApp, Message, Scope

from server.budget.budget import BudgetError, ThinkingBudget
from server.budget.running.controller import Phase
from server.budget.running.tracker import ThinkingTracker
from server.engine.client.call import CALL, Call
from server.engine.client.segment import Segment
from server.scaling.marks import Marks
from server.scaling.samples import Ask, AskKind, OnTokens, Sample, SampleError
from server.scaling.usage import SampleUsage, State, Usage

Json = Mapping[str, Any]
TELL_EVERY_S = 0.5
MAX_COMPLETION = ("max_completion_tokens", "max_tokens")
_OF_THE_WHOLE = frozenset({"stream", "stream_options"})


@dataclass(frozen=True, slots=True)
class Answered:
    """A whole response of the inner route."""

    status: int
    body: bytes


class Samples:
    """Implements server.scaling.samples.Sampler. `fields`: the request as it would go on to vLLM."""

    def __init__(
        self,
        app: ASGIApp,
        scope: Scope,
        fields: Json,
        call: Call,
        marks: Marks | None,
        request_id: str,
        tell: Callable[[Json], None] | None,
    ) -> None:
        self._app = app
        self._scope = scope
        self._fields = {key: value for key, value in fields.items() if key not in _OF_THE_WHOLE}
        self._call = call
        self._marks = marks
        self._request_id = request_id
        self._tell = tell
        self.usage = Usage()
        self.refused: str | None = None
        """The field of a budget that the engine refused."""

    @property
    def response_id(self) -> str:
        """As vLLM makes it of a request's."""
        return f"chatcmpl-{self._request_id}"

    @property
    def budget(self) -> ThinkingBudget:
        """The client's."""
        return self._call.budget

    @property
    def max_completion_tokens(self) -> int | None:
        """The client's, by its name of now or of old."""
        said = (self._fields.get(name) for name in MAX_COMPLETION)
        return next((most for most in said if isinstance(most, int)), None)

    @property
    def marks(self) -> Marks:
        """Of the model's family."""
        if self._marks is None:
            raise RuntimeError("asked for the marks of a model that has none")
        return self._marks

    async def ask(self, ask: Ask, on_tokens: OnTokens | None = None) -> Sample:
        """As Sampler.ask."""
        entry = self.usage.open(ask.kind)
        shown = _Shown(entry, self._tell) if self._tell and ask.kind is AskKind.SAMPLE else None

        def count_tokens(tracker: ThinkingTracker) -> None:
            _count(entry, tracker)
            if shown is not None:
                shown.advance(tracker)
            if on_tokens is not None:
                on_tokens(tracker)

        segment = Segment(
            prefix=ask.prefix,
            step=ask.step,
            max_tokens=ask.max_completion_tokens,
            logprobs=ask.logprobs,
            on_tokens=count_tokens,
            response_id=self.response_id,
        )
        budget = self._call.budget if ask.budget is None else ask.budget
        call = replace(
            self._call,
            budget=budget,
            asked=self._call.asked or budget != self._call.budget,
            segment=segment,
            parent=self._call,
            reports={},
            progress={},
        )
        entry.state = State.ABORTED
        try:
            answered = await self._through(call, self._body(ask, entry.index))
            entry.state = State.FAILED
            sample = _sample(entry, answered, call, segment)
            entry.state = State.DONE
            return sample
        finally:
            self.refused = self.refused or call.refused
            entry.prompt_tokens, entry.cached_tokens = segment.prompt_tokens, segment.cached_tokens
            if shown is not None:
                shown.end()

    def _body(self, ask: Ask, index: int) -> Json:
        body = {**self._fields, "request_id": f"{self._request_id}-{index}"}
        if isinstance(seed := body.get("seed"), int):
            body["seed"] = seed + index
        if ask.temperature is not None:
            body["temperature"] = ask.temperature
        if ask.stop:
            body["stop"] = list(ask.stop)
        if ask.max_completion_tokens is not None:
            # Told to the engine itself: vLLM's route would weigh it against the prompt without its prefix.
            for name in MAX_COMPLETION:
                body.pop(name, None)
        if ask.words:
            body["messages"] = _with_words(body.get("messages"), ask.words)
        return body

    async def _through(self, call: Call, fields: Json) -> Answered:
        body = json.dumps(fields).encode()
        gone = asyncio.Event()
        messages = iter([{"type": "http.request", "body": body, "more_body": False}])
        got: list[Message] = []

        async def receive() -> Message:
            for message in messages:
                return message
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            got.append(message)

        async def run() -> None:
            CALL.set(call)  # this task's own context
            await self._app(_inner(self._scope, body), receive, send)

        task = asyncio.create_task(run())
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            gone.set()
            with suppress(Exception):
                await task
            raise
        return Answered(
            status=next((each["status"] for each in got if each["type"] == "http.response.start"), 500),
            body=b"".join(each.get("body", b"") for each in got if each["type"] == "http.response.body"),
        )


def _inner(scope: Scope, body: bytes) -> Scope:
    """A scope of its own: routing writes into it. The client's request id stands in the bodies, with each
    sample's number."""
    headers = [
        (name, value)
        for name, value in scope["headers"]
        if name not in (b"content-length", b"x-request-id", b"transfer-encoding")
    ]
    headers.append((b"content-length", str(len(body)).encode()))
    return {**scope, "headers": headers, "state": dict(scope.get("state", {}))}


def _with_words(messages: Any, words: str) -> list[Any]:
    """The messages with words behind the last one of the user. Raises BudgetError where there is none."""
    new = list(messages) if isinstance(messages, list) else []
    spoken = [
        at for at, message in enumerate(new) if isinstance(message, dict) and message.get("role") == "user"
    ]
    content = new[spoken[-1]].get("content") if spoken else None
    if isinstance(content, str):
        content = f"{content}\n\n{words}"
    elif isinstance(content, list):
        content = [*content, {"type": "text", "text": f"\n\n{words}"}]
    else:
        raise BudgetError("messages", "messages: no message of a user, behind which scaling puts its words.")
    new[spoken[-1]] = {**new[spoken[-1]], "content": content}
    return new


def _count(entry: SampleUsage, tracker: ThinkingTracker) -> None:
    entry.thinking_tokens, entry.completion_tokens = tracker.tokens, tracker.position


def _sample(entry: SampleUsage, answered: Answered, call: Call, segment: Segment) -> Sample:
    try:
        response = json.loads(answered.body)
        choice = response["choices"][0]
        message = choice["message"]
    except (ValueError, KeyError, IndexError, TypeError):
        raise SampleError(f"a sample ended with status {answered.status}", answered) from None
    output = segment.output
    if output is None:
        raise SampleError("a sample came back without its tokens", answered)
    if segment.tracker is not None:
        _count(entry, segment.tracker)
    else:
        entry.completion_tokens = len(output.tokens)
    return Sample(
        index=entry.index,
        thinking=message.get("reasoning") or "",
        answer=message.get("content") or "",
        thinking_tokens=entry.thinking_tokens,
        completion_tokens=entry.completion_tokens,
        prompt_tokens=segment.prompt_tokens,
        finish_reason=choice.get("finish_reason"),
        report=call.reports.get(0),
        tokens=output.tokens,
        is_ended=segment.tracker is not None and segment.tracker.answer_at is not None,
        is_cramped=bool(segment.step and segment.tracker and segment.step.is_cramped(segment.tracker)),
        logprobs=output.logprobs,
        alternatives=output.alternatives,
        response=response,
    )


class _Shown:
    """Tells how far one sample is: when it begins, when it answers, when it is over, and now and then."""

    def __init__(self, entry: SampleUsage, tell: Callable[[Json], None]) -> None:
        self._entry = entry
        self._tell = tell
        self._state = ""
        self._told_at = 0.0

    def advance(self, tracker: ThinkingTracker) -> None:
        state = "answering" if tracker.phase is Phase.ANSWER else "thinking"
        if state != self._state or monotonic() - self._told_at >= TELL_EVERY_S:
            self._say(state)

    def end(self) -> None:
        if self._state:  # a sample that never began was refused: the response says so
            self._say(self._entry.state.value)

    def _say(self, state: str) -> None:
        self._state, self._told_at = state, monotonic()
        self._tell(
            {
                "sample": self._entry.index,
                "state": state,
                "thinking_tokens": self._entry.thinking_tokens,
            }
        )
