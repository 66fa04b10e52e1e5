"""The HTTP edge of server/scaling: one request in, many samples through the inner route, one response out.

Decided here: what the response and its stream look like, and that a client that goes away leaves nothing
running. How samples make an answer is the methods' affair.
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
from server.api.requests import CHAT_PATH, Scaled
from server.api.responses import Completion, ReasoningField
from server.api.scaling.inner_requests import Answered, Samples
from server.api.scaling.stream import Chunks
from server.budget.budget import BudgetError
from server.engine.client.call import Call
from server.observability.telemetry import Telemetry
from server.scaling.equality import Equality, Judge
from server.scaling.marks import Marks
from server.scaling.method import Means, Outcome
from server.scaling.request import SCORER, ScalingDefaults
from server.scaling.samples import SampleError
from server.scaling.scorers.endpoint import Scorers
from server.scaling.scorers.likelihood import LIKELIHOOD, Likelihood
from server.scaling.scorers.scorer import Scorer, ScorerError

Json = dict[str, Any]
Tell = Callable[[Mapping[str, Any]], None]
News = Mapping[str, Any] | None
"""None: there is no more."""


@dataclass(frozen=True, slots=True)
class ScalingMeans:
    """What the server has for scaling; `marks` None: the model's family is unknown. `answering`: the
    engine's."""

    defaults: ScalingDefaults
    marks: Marks | None
    judge: Judge
    scorers: Scorers
    answering: Callable[[str, Call], AbstractContextManager[None]]

    def scorer(self, scaled: Scaled) -> Scorer | None:
        """For one request; None where its method needs none."""
        name = scaled.wanted.scorer
        if name is None:
            return None
        if name == LIKELIHOOD:
            return Likelihood()
        return self.scorers.scorer(name, scaled.fields.get("messages") or ())  # the first ask refuses none


class ScalingEdge:
    """Stands beside the budget's middleware; `app` is what is behind it: vLLM's routes."""

    def __init__(
        self, app: ASGIApp, reasoning: ReasoningField, means: ScalingMeans, telemetry: Telemetry
    ) -> None:
        self._app = app
        self._reasoning = reasoning
        self._means = means
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send, call: Call, scaled: Scaled) -> None:
        """Answer, unless the client goes away first: then every ask is aborted before this returns."""
        work = asyncio.ensure_future(self._answer(scope, receive, send, call, scaled))
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if is_left := not work.done():
                work.cancel()
            gone.cancel()
            await asyncio.wait({work, gone})
        if not is_left:
            work.result()

    async def _answer(self, scope: Scope, receive: Receive, send: Send, call: Call, scaled: Scaled) -> None:
        told: asyncio.Queue[News] = asyncio.Queue()
        streams = bool(scaled.fields.get("stream"))
        request_id = _request_id(scope, scaled.fields)
        tell: Tell | None = told.put_nowait if streams else None
        samples = Samples(self._app, scope, scaled.fields, call, self._means.marks, request_id, tell)
        run = asyncio.ensure_future(self._watched(samples, call, scaled, tell))
        run.add_done_callback(lambda _: told.put_nowait(None))
        try:
            if streams:
                chunks = Chunks(send, scaled, samples.response_id, self._reasoning)
                await self._stream(chunks, told, run, scope, receive, send)
            else:
                await (await _result(run))(scope, receive, send)
        finally:
            if not run.done():
                run.cancel()
                await asyncio.wait({run})

    async def _stream(
        self,
        chunks: Chunks,
        told: "asyncio.Queue[News]",
        run: "asyncio.Future[Json]",
        *connection: Any,
    ) -> None:
        while (news := await told.get()) is not None:
            await chunks.send_progress(news)
        response = await _result(run)
        if response.status_code == 200:
            await chunks.send_answer(run.result())
        elif chunks.has_begun:
            await chunks.send_error(bytes(response.body))
        else:
            await response(*connection)

    async def _watched(self, samples: Samples, call: Call, scaled: Scaled, tell: Tell | None) -> Json:
        try:
            with self._means.answering(samples.response_id, call):
                return await self._run(samples, scaled, tell)
        except BudgetError as error:
            self._telemetry.refuse(CHAT_PATH, error.field)
            raise
        except SampleError:
            if samples.refused is not None:
                self._telemetry.refuse(CHAT_PATH, samples.refused)
            raise

    async def _run(self, samples: Samples, scaled: Scaled, tell: Tell | None) -> Json:
        """The whole response, as if it were not to be streamed."""
        wanted = scaled.wanted
        equality = Equality(self._means.judge)
        max_samples = self._means.defaults.max_samples
        scorer = self._means.scorer(scaled)
        means = Means(samples, equality, max_samples, scorer, tell or (lambda _: None))
        outcome = await wanted.method.run(wanted.fields, means)
        body = self._completed(outcome, shows=scaled.fields.get("include_reasoning") is not False)
        body["id"] = samples.response_id
        body["usage"] = samples.usage.totals()
        body["scaling"] = {
            "method": wanted.name,
            **outcome.said,
            "samples": samples.usage.samples(),
            "tokens": samples.usage.by_kind(),
        }
        if equality.failures:
            body["scaling"]["not_compared"] = equality.failures
        return body

    def _completed(self, outcome: Outcome, shows: bool) -> Json:
        chosen = outcome.chosen
        body: Json = chosen.response
        message = body["choices"][0]["message"]
        if chosen.thinking and shows:
            message["reasoning"] = chosen.thinking
        call = Call(reports={} if chosen.report is None else {0: chosen.report})
        return Completion(call, self._reasoning).whole(body)


async def _result(run: "asyncio.Future[Json]") -> JSONResponse:
    """The response to a client that does not stream: the answer, or why there is none."""
    try:
        return JSONResponse(await asyncio.shield(run))
    except BudgetError as error:
        return error_response(CHAT_PATH, 400, str(error), error.field)
    except ScorerError as error:
        return error_response(CHAT_PATH, 502, str(error), SCORER)
    except SampleError as error:
        if isinstance(error.response, Answered) and error.response.status >= 400:
            return _Passed(error.response.body, error.response.status)
        return error_response(CHAT_PATH, 502, str(error))


class _Passed(JSONResponse):
    """An error of the inner route, as it is."""

    def render(self, content: bytes) -> bytes:
        return content


def _request_id(scope: Scope, fields: Mapping[str, Any]) -> str:
    """As vLLM's own routes find one."""
    said: str | None = Headers(scope=scope).get("x-request-id") or fields.get("request_id")
    return said or uuid.uuid4().hex


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
