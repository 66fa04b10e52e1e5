"""Calls to the workers: forced records are asked for together and never for nothing; the right engine ends
thinking, and trackers know of it before the token comes."""

import asyncio

import pytest

from server.budget.budget import NEVER
from server.budget.running.action import ForcedKind
from server.budget.running.report import ForcedRecord
from server.budget.running.tracker import ThinkingTracker
from server.engine.client.worker_calls import ForcedRecordFetcher, ThinkingEnder
from server.engine.worker.extension import WireRecord
from server.reasoning.ends import End
from tests.server.budget.plans import plan
from tests.server.engine.client.core import Core


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
    fetcher = ForcedRecordFetcher(workers.fetch)
    takes = [asyncio.create_task(fetcher.take("a"))]
    await asyncio.sleep(0.01)
    takes += [asyncio.create_task(fetcher.take(name)) for name in "bcd"]
    await asyncio.sleep(0.01)
    workers.may_answer.set()
    records = await asyncio.gather(*takes)
    assert workers.asked == [["a"], ["b", "c", "d"]]
    assert records == [ForcedRecord({3: ForcedKind.NUDGE}, (3,), End.LOOP)] * 4


async def test_row_that_no_worker_knows_has_no_record() -> None:
    workers = Workers()
    workers.may_answer.set()
    assert await ForcedRecordFetcher(workers.fetch).take("unknown") is None


async def test_engine_that_is_gone_is_said_to_each_who_asks_and_the_next_one_is_answered() -> None:
    workers = Workers()
    workers.may_answer.set()
    workers.failure = ConnectionError("gone")
    fetcher = ForcedRecordFetcher(workers.fetch)
    with pytest.raises(ConnectionError):
        await fetcher.take("a")
    workers.failure = None
    record = await fetcher.take("a")
    assert record is not None
    assert record.waits_at == (3,)


async def test_tracker_knows_before_anything_else_can_run() -> None:
    core, tracker = Core(), ThinkingTracker(plan())
    ending = asyncio.create_task(ThinkingEnder(core).end({"a": tracker}, End.REQUESTED))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    core.answer([{"a": 7}])
    assert tracker.requested_at == 7
    await ending


async def test_last_stage_of_a_pipeline_has_the_word() -> None:
    core, tracker = Core(), ThinkingTracker(plan())
    ending = asyncio.create_task(ThinkingEnder(core).end({"a": tracker}, End.REQUESTED))
    await asyncio.sleep(0.01)
    core.answer([{"a": 6}, {"a": 7}])
    await ending
    assert tracker.requested_at == 7


async def test_each_engine_is_asked_for_its_own_rows_and_none_for_one_that_ended() -> None:
    core = Core(reqs_in_flight={"a": "first", "b": "second", "c": "first"})
    trackers = {name: ThinkingTracker(plan()) for name in "abcd"}
    ending = asyncio.create_task(ThinkingEnder(core).end(trackers, End.REQUESTED))
    await asyncio.sleep(0.01)
    assert core.asked == [("first", ["a", "c"]), ("second", ["b"])]
    core.answer([{"b": 3}])
    core.answer([{"a": 1, "c": 2}])
    await ending
    assert [trackers[name].requested_at for name in "abcd"] == [1, 3, 2, NEVER]


async def test_what_the_engine_did_holds_though_the_asker_went_away() -> None:
    core, tracker = Core(), ThinkingTracker(plan())
    ending = asyncio.create_task(ThinkingEnder(core).end({"a": tracker}, End.REQUESTED))
    await asyncio.sleep(0.01)
    ending.cancel()
    await asyncio.sleep(0.01)
    with pytest.raises(asyncio.InvalidStateError):  # which vLLM catches
        core.answer([{"a": 7}])
    assert tracker.requested_at == 7
