"""Calls from the API process to the engine's workers: fetch forced records, end the thinking of batch rows.

Rows that end at about the same time share one call.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid1

from vllm.v1.engine import EngineCoreRequestType

from server.budget.budget import NEVER
from server.budget.running.action import ForcedKind
from server.budget.running.report import ForcedRecord
from server.budget.running.tracker import ThinkingTracker
from server.engine.seams import SeamError
from server.engine.worker.extension import WireRecord
from server.reasoning.ends import End

ANSWER_WITHIN_S = 60.0
"""How long an engine has for its first answer, at start."""

Fetch = Callable[[list[str]], Awaitable[list[dict[str, WireRecord]]]]
"""Row ids to what each worker knows of them."""

Positions = list[dict[str, int]]
"""Per worker: row id to the output position of the first token that is sampled after the call."""


class ForcedRecordFetcher:
    """`take` a row's forced record; rows that ask while a call is under way share the next call."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._waiting: dict[str, asyncio.Future[ForcedRecord | None]] = {}
        self._task: asyncio.Task[None] | None = None

    async def take(self, row_id: str) -> ForcedRecord | None:
        """The forced record of a row; None where no worker knows the row.

        It raises what the engine client raises when the engine is dead.
        """
        return await asyncio.shield(self._ask(row_id))

    def _ask(self, row_id: str) -> asyncio.Future[ForcedRecord | None]:
        future = self._waiting.get(row_id)
        if future is None:
            future = self._waiting[row_id] = asyncio.get_running_loop().create_future()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        return future

    async def _run(self) -> None:
        while self._waiting:
            asked, self._waiting = self._waiting, {}
            try:
                answers = await self._fetch(list(asked))
            except Exception as error:  # noqa: BLE001 - whatever it is, each asker gets it
                for future in asked.values():
                    future.set_exception(error)
                continue
            known = {row_id: wire for answer in answers for row_id, wire in answer.items()}
            for row_id, future in asked.items():
                future.set_result(_read(known[row_id]) if row_id in known else None)


@dataclass(frozen=True, slots=True)
class ForcedRecords:
    """The two calls that fetch forced records.

    `ended`: of a row that has ended; the workers give it once, then forget it. `so_far`: of a row that runs.
    """

    ended: ForcedRecordFetcher
    so_far: ForcedRecordFetcher


class ThinkingEnder:
    """`end` some rows' thinking. `core` is the engine client's connection to its engines."""

    def __init__(self, core: Any) -> None:
        self._core = core

    async def check(self) -> None:
        """Ask each engine to end nothing, once, at start.

        Raises:
            SeamError: Calls and answers travel otherwise in this release of vLLM.
        """
        for engine in self._core.core_engines:
            heard: list[Positions] = []
            try:
                await asyncio.wait_for(self._ask(engine, [], heard.append), ANSWER_WITHIN_S)
            except TimeoutError:
                heard.clear()
            if not heard:
                raise SeamError("this release of vLLM does not set AsyncMPClient.utility_results")

    async def end(self, trackers: Mapping[str, ThinkingTracker], why: End) -> None:
        """Close the thinking of these rows at the next token that is sampled.

        A row that still waits to be scheduled closes at its first token; rows that have ended are left alone.
        It raises what the engine client raises.

        Args:
            trackers: Row id to the row's tracker, which learns the position of that token.
            why: What the reports call this end.
        """
        names = {row: why if it.requested_at == NEVER else it.requested_by for row, it in trackers.items()}

        def hear(workers: Positions) -> None:
            for positions in workers:  # the last stage of a pipeline samples, and answers last
                for row_id, at in positions.items():
                    trackers[row_id].requested_at = at
                    trackers[row_id].requested_by = names[row_id]

        by_engine: defaultdict[Any, list[str]] = defaultdict(list)
        for row_id in trackers:
            by_engine[self._engine_of(row_id)].append(row_id)
        by_engine.pop(None, None)
        await asyncio.gather(*(self._ask(engine, rows, hear) for engine, rows in by_engine.items()))

    def _engine_of(self, row_id: str) -> Any:
        """Of data-parallel engines the one that holds the row; None when it has ended."""
        routed: Mapping[str, Any] | None = getattr(self._core, "reqs_in_flight", None)
        return self._core.core_engine if routed is None else routed.get(row_id)

    async def _ask(self, engine: Any, row_ids: list[str], hear: Callable[[Positions], None]) -> None:
        """AsyncMPClient's own call of a utility, but for the future that waits for the answer."""
        core, call_id, answer = self._core, uuid1().int >> 64, _Heard(hear)
        core.utility_results[call_id] = answer
        call = (core.client_index, call_id, "collective_rpc", ("s1_end_thinking", None, (row_ids,), None))
        await core._send_input_message(
            (EngineCoreRequestType.UTILITY.value, *core.encoder.encode(call)), engine
        )
        await answer


class _Heard(asyncio.Future[Positions]):
    """A future whose result is processed at once when it is set.

    The engine sends its answer, then the tokens that follow it, through one socket, in order. A plain
    future's waiter runs in a later iteration of the event loop: the token at the position could be read
    before that.
    """

    def __init__(self, hear: Callable[[Positions], None]) -> None:
        super().__init__()
        self._hear = hear

    def set_result(self, result: Positions) -> None:
        """Process the result, also when nobody awaits it any more: the engine has acted on the call."""
        self._hear(result)
        super().set_result(result)


def _read(wire: WireRecord) -> ForcedRecord:
    forced, waits_at, end = wire
    return ForcedRecord(
        {at: ForcedKind(kind) for at, kind in forced.items()}, tuple(waits_at), End(end) if end else None
    )
