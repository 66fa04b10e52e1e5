"""A client's chat request as a SampleSource: each ask goes through vLLM's own chat route, in this process.

So each sample has everything a single request has: budget, adapter, chat template, stop strings, counting.
For the route, a cancelled ask is a client that disconnected.
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
from server.budget.running.action import Phase
from server.budget.running.tracker import ThinkingTracker
from server.engine.client.call import CALL, Call
from server.engine.client.segment import Segment
from server.scaling.marks import Marks
from server.scaling.samples import Ask, AskKind, OnTokens, Sample, SampleError
from server.scaling.usage import SampleUsage, State, Usage

Json = Mapping[str, Any]
PROGRESS_INTERVAL_S = 0.5
MAX_COMPLETION = ("max_completion_tokens", "max_tokens")
_STREAM_FIELDS = frozenset({"stream", "stream_options"})


@dataclass(frozen=True, slots=True)
class InnerResponse:
    """A complete response of the inner route."""

    status: int
    body: bytes


class Samples:
    """Implements server.scaling.samples.SampleSource. `fields` is the request as it would go to vLLM."""

    def __init__(
        self,
        app: ASGIApp,
        scope: Scope,
        fields: Json,
        call: Call,
        marks: Marks | None,
        request_id: str,
        report_progress: Callable[[Json], None] | None,
    ) -> None:
        self._app = app
        self._scope = scope
        self._fields = {key: value for key, value in fields.items() if key not in _STREAM_FIELDS}
        self._call = call
        self._marks = marks
        self._request_id = request_id
        self._report_progress = report_progress
        self.usage = Usage()
        self.refused: str | None = None
        """The budget field that the engine refused, if any."""

    @property
    def response_id(self) -> str:
        """The response's id, built from the request's as in vLLM."""
        return f"chatcmpl-{self._request_id}"

    @property
    def budget(self) -> ThinkingBudget:
        """The client's budget."""
        return self._call.budget

    @property
    def max_completion_tokens(self) -> int | None:
        """The client's limit, under its current or its old field name."""
        limits = (self._fields.get(name) for name in MAX_COMPLETION)
        return next((limit for limit in limits if isinstance(limit, int)), None)

    @property
    def marks(self) -> Marks:
        """The marks of the model's family.

        Raises:
            RuntimeError: The family is unknown.
        """
        if self._marks is None:
            raise RuntimeError("asked for the marks of a model that has none")
        return self._marks

    async def ask(self, ask: Ask, on_tokens: OnTokens | None = None) -> Sample:
        """Ask once; see SampleSource.ask.

        Raises:
            SampleError: The inner route refused the ask, or failed to answer it.
        """
        entry = self.usage.open(ask.kind)
        reporter = (
            _ProgressReporter(entry, self._report_progress)
            if self._report_progress and ask.kind is AskKind.SAMPLE
            else None
        )

        def count_tokens(tracker: ThinkingTracker) -> None:
            _count(entry, tracker)
            if reporter is not None:
                reporter.advance(tracker)
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
            insists=None,  # that thinking goes on is the method's affair, not each piece's
            reports={},
            progress={},
        )
        entry.state = State.ABORTED
        try:
            answered = await self._send_inner(call, self._body(ask, entry.index))
            entry.state = State.FAILED
            sample = _sample(entry, answered, call, segment)
            entry.state = State.DONE
            return sample
        finally:
            self.refused = self.refused or call.refused
            entry.prompt_tokens, entry.cached_tokens = segment.prompt_tokens, segment.cached_tokens
            if reporter is not None:
                reporter.end()

    def _body(self, ask: Ask, index: int) -> Json:
        body = {**self._fields, "request_id": f"{self._request_id}-{index}"}
        if isinstance(seed := body.get("seed"), int):
            body["seed"] = seed + index
        if ask.temperature is not None:
            body["temperature"] = ask.temperature
        if ask.stop:
            body["stop"] = list(ask.stop)
        if ask.max_completion_tokens is not None:
            # Passed in the call: vLLM's route would check it against the prompt without its prefix.
            for name in MAX_COMPLETION:
                body.pop(name, None)
        if ask.words:
            body["messages"] = _with_words(body.get("messages"), ask.words)
        return body

    async def _send_inner(self, call: Call, fields: Json) -> InnerResponse:
        body = json.dumps(fields).encode()
        disconnected = asyncio.Event()
        messages = iter([{"type": "http.request", "body": body, "more_body": False}])
        got: list[Message] = []

        async def receive() -> Message:
            for message in messages:
                return message
            await disconnected.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            got.append(message)

        async def run() -> None:
            CALL.set(call)  # set in this task's context only
            await self._app(_inner(self._scope, body), receive, send)

        task = asyncio.create_task(run())
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            disconnected.set()
            with suppress(Exception):
                await task
            raise
        return InnerResponse(
            status=next((each["status"] for each in got if each["type"] == "http.response.start"), 500),
            body=b"".join(each.get("body", b"") for each in got if each["type"] == "http.response.body"),
        )


def _inner(scope: Scope, body: bytes) -> Scope:
    """The inner request's own scope, since routing writes into it.

    The client's x-request-id is dropped: the bodies carry it, with each sample's number.
    """
    headers = [
        (name, value)
        for name, value in scope["headers"]
        if name not in (b"content-length", b"x-request-id", b"transfer-encoding")
    ]
    headers.append((b"content-length", str(len(body)).encode()))
    return {**scope, "headers": headers, "state": dict(scope.get("state", {}))}


def _with_words(messages: Any, words: str) -> list[Any]:
    """The messages with `words` appended to the last user message.

    Raises:
        BudgetError: There is no user message.
    """
    new = list(messages) if isinstance(messages, list) else []
    user_at = [
        at for at, message in enumerate(new) if isinstance(message, dict) and message.get("role") == "user"
    ]
    content = new[user_at[-1]].get("content") if user_at else None
    if isinstance(content, str):
        content = f"{content}\n\n{words}"
    elif isinstance(content, list):
        content = [*content, {"type": "text", "text": f"\n\n{words}"}]
    else:
        raise BudgetError("messages", "messages: no message of a user, after which scaling puts its words.")
    new[user_at[-1]] = {**new[user_at[-1]], "content": content}
    return new


def _count(entry: SampleUsage, tracker: ThinkingTracker) -> None:
    entry.thinking_tokens, entry.completion_tokens = tracker.tokens, tracker.position


def _sample(entry: SampleUsage, answered: InnerResponse, call: Call, segment: Segment) -> Sample:
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


class _ProgressReporter:
    """Reports a sample's start, the start of its answer, its end, and its progress at intervals."""

    def __init__(self, entry: SampleUsage, report_progress: Callable[[Json], None]) -> None:
        self._entry = entry
        self._report_progress = report_progress
        self._state = ""
        self._reported_at = 0.0

    def advance(self, tracker: ThinkingTracker) -> None:
        state = "answering" if tracker.phase is Phase.ANSWER else "thinking"
        if state != self._state or monotonic() - self._reported_at >= PROGRESS_INTERVAL_S:
            self._report(state)

    def end(self) -> None:
        if self._state:  # a sample that never began was refused; the response reports it
            self._report(self._entry.state.value)

    def _report(self, state: str) -> None:
        self._state, self._reported_at = state, monotonic()
        self._report_progress(
            {
                "sample": self._entry.index,
                "state": state,
                "thinking_tokens": self._entry.thinking_tokens,
            }
        )
