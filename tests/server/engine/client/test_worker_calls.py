"""Asking for forced records: together where they come together, and never for nothing."""

import asyncio

import pytest

from server.budget.running.controller import ForcedKind
from server.budget.running.report import ForcedRecord
from server.engine.client.worker_calls import LedgerFetcher
from server.engine.worker.extension import WireRecord
from server.reasoning.ends import End


class Workers:
    """Two workers, one of which knows every row; they answer when told to."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.may_answer = asyncio.Event()
        self.failure: Exception | None = None

    async def fetch(self, row_ids: list[str]) -> list[dict[str, WireRecord]]:
        self.asked.append(row_ids)
        await self.may_answer.wait()
        if self.failure is not None:
            raise self.failure
        return [{}, {row_id: ({3: "nudge"}, [3], "loop") for row_id in row_ids if row_id != "unknown"}]


async def test_rows_that_end_while_a_question_is_on_its_way_share_the_next_one() -> None:
    workers = Workers()
    desk = LedgerFetcher(workers.fetch)
    takes = [asyncio.create_task(desk.take("a"))]
    await asyncio.sleep(0.01)
    takes += [asyncio.create_task(desk.take(name)) for name in "bcd"]
    await asyncio.sleep(0.01)
    workers.may_answer.set()
    records = await asyncio.gather(*takes)
    assert workers.asked == [["a"], ["b", "c", "d"]]
    assert records == [ForcedRecord({3: ForcedKind.NUDGE}, (3,), End.LOOP)] * 4


async def test_row_that_no_worker_knows_has_no_record() -> None:
    workers = Workers()
    workers.may_answer.set()
    assert await LedgerFetcher(workers.fetch).take("unknown") is None


async def test_engine_that_is_gone_is_said_to_each_who_asks_and_the_desk_goes_on() -> None:
    workers = Workers()
    workers.may_answer.set()
    workers.failure = ConnectionError("gone")
    desk = LedgerFetcher(workers.fetch)
    with pytest.raises(ConnectionError):
        await desk.take("a")
    workers.failure = None
    record = await desk.take("a")
    assert record is not None
    assert record.waits_at == (3,)
