"""The HTTP edge of server/scaling: one request in, many samples through the inner route, one response out.

Builds the response and its stream, and aborts all asks when the client disconnects. How samples become an
answer is decided by the methods in server/scaling.
"""

import asyncio
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from server.api.errors import error_response
from server.api.requests import CHAT_PATH, ScaledRequest
from server.api.responses import Completion, ReasoningField
from server.api.scaling.inner_requests import InnerResponse, Samples
from server.api.scaling.stream import Chunks
from server.budget.budget import BudgetError
from server.engine.client.call import Call
from server.observability.telemetry import Telemetry
from server.reasoning.equality import Equality, Judge
from server.scaling.marks import Marks
from server.scaling.method import MethodContext, MethodResult
from server.scaling.request import SCORER, ScalingDefaults
from server.scaling.samples import SampleError
from server.scaling.scorers.endpoint import Scorers
from server.scaling.scorers.likelihood import LIKELIHOOD, Likelihood
from server.scaling.scorers.scorer import Scorer, ScorerError

Json = dict[str, Any]
ReportProgress = Callable[[Mapping[str, Any]], None]
Progress = Mapping[str, Any] | None
"""A progress object; None ends the stream of progress."""


@dataclass(frozen=True, slots=True)
class ScalingResources:
    """What the server provides for scaling.

    `marks` is None if the model's family is unknown; `answering` registers the request with the engine, so
    that it can be controlled.
    """

    defaults: ScalingDefaults
    marks: Marks | None
    judge: Judge
    scorers: Scorers
    answering: Callable[[str, Call], AbstractContextManager[None]]

    def scorer(self, scaled: ScaledRequest) -> Scorer | None:
        """The scorer of one request; None if its method needs none."""
        name = scaled.asked.scorer
        if name is None:
            return None
        if name == LIKELIHOOD:
            return Likelihood()
        # Missing messages are refused at the first ask.
        return self.scorers.scorer(name, scaled.fields.get("messages") or ())


class ScalingEdge:
    """Answers scaled requests; `app` is the next ASGI application: vLLM's routes."""

    def __init__(
        self, app: ASGIApp, reasoning: ReasoningField, resources: ScalingResources, telemetry: Telemetry
    ) -> None:
        self._app = app
        self._reasoning = reasoning
        self._resources = resources
        self._telemetry = telemetry

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send, call: Call, scaled: ScaledRequest
    ) -> None:
        """Answer the request. If the client disconnects first, abort every ask before returning."""
        work = asyncio.ensure_future(self._answer(scope, receive, send, call, scaled))
        disconnected = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait({work, disconnected}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if is_left := not work.done():
                work.cancel()
            disconnected.cancel()
            await asyncio.wait({work, disconnected})
        if not is_left:
            work.result()

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, call: Call, scaled: ScaledRequest
    ) -> None:
        progress: asyncio.Queue[Progress] = asyncio.Queue()
        streams = bool(scaled.fields.get("stream"))
        request_id = _request_id(scope, scaled.fields)
        report_progress: ReportProgress | None = progress.put_nowait if streams else None
        samples = Samples(
            self._app, scope, scaled.fields, call, self._resources.marks, request_id, report_progress
        )
        run = asyncio.ensure_future(self._run_counted(samples, call, scaled, report_progress))
        run.add_done_callback(lambda _: progress.put_nowait(None))
        try:
            if streams:
                chunks = Chunks(send, scaled, samples.response_id, self._reasoning)
                await self._stream(chunks, progress, run, scope, receive, send)
            else:
                await (await _result(run))(scope, receive, send)
        finally:
            if not run.done():
                run.cancel()
                await asyncio.wait({run})

    async def _stream(
        self,
        chunks: Chunks,
        progress: "asyncio.Queue[Progress]",
        run: "asyncio.Future[Json]",
        *connection: Any,
    ) -> None:
        while (item := await progress.get()) is not None:
            await chunks.send_progress(item)
        response = await _result(run)
        if response.status_code == 200:
            await chunks.send_answer(run.result())
        elif chunks.has_begun:
            await chunks.send_error(bytes(response.body))
        else:
            await response(*connection)

    async def _run_counted(
        self, samples: Samples, call: Call, scaled: ScaledRequest, report_progress: ReportProgress | None
    ) -> Json:
        try:
            with self._resources.answering(samples.response_id, call):
                return await self._run(samples, scaled, report_progress)
        except BudgetError as error:
            self._telemetry.refuse(CHAT_PATH, error.field)
            raise
        except SampleError:
            if samples.refused is not None:
                self._telemetry.refuse(CHAT_PATH, samples.refused)
            raise

    async def _run(
        self, samples: Samples, scaled: ScaledRequest, report_progress: ReportProgress | None
    ) -> Json:
        """The complete response body, as for a request without streaming."""
        asked = scaled.asked
        equality = Equality(self._resources.judge)
        max_samples = self._resources.defaults.max_samples
        scorer = self._resources.scorer(scaled)
        context = MethodContext(samples, equality, max_samples, scorer, report_progress or (lambda _: None))
        outcome = await asked.method.run(asked.fields, context)
        body = self._completed(outcome, shows_thinking=scaled.fields.get("include_reasoning") is not False)
        body["id"] = samples.response_id
        body["usage"] = samples.usage.totals()
        body["scaling"] = {
            "method": asked.name,
            **outcome.report,
            "samples": samples.usage.samples(),
            "tokens": samples.usage.by_kind(),
        }
        if equality.failures:
            body["scaling"]["not_compared"] = equality.failures
        return body

    def _completed(self, outcome: MethodResult, shows_thinking: bool) -> Json:
        chosen = outcome.chosen
        body: Json = chosen.response
        message = body["choices"][0]["message"]
        if chosen.thinking and shows_thinking:
            message["reasoning"] = chosen.thinking
        call = Call(reports={} if chosen.report is None else {0: chosen.report})
        return Completion(call, self._reasoning).whole(body)


async def _result(run: "asyncio.Future[Json]") -> JSONResponse:
    """The response to a request without streaming: the answer, or the error."""
    try:
        return JSONResponse(await asyncio.shield(run))
    except BudgetError as error:
        return error_response(CHAT_PATH, 400, str(error), error.field)
    except ScorerError as error:
        return error_response(CHAT_PATH, 502, str(error), SCORER)
    except SampleError as error:
        if isinstance(error.response, InnerResponse) and error.response.status >= 400:
            return _RawJSON(error.response.body, error.response.status)
        return error_response(CHAT_PATH, 502, str(error))


class _RawJSON(JSONResponse):
    """An error response of the inner route, passed on unchanged."""

    def render(self, content: bytes) -> bytes:
        return content


def _request_id(scope: Scope, fields: Mapping[str, Any]) -> str:
    """The request id, found as in vLLM's own routes."""
    given: str | None = Headers(scope=scope).get("x-request-id") or fields.get("request_id")
    return given or uuid.uuid4().hex


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
