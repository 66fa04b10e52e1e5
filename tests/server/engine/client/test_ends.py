"""Ending thinking over the wire: the right engine is asked, and trackers know before the token comes."""

import asyncio
from typing import Any

import pytest

from server.budget.budget import NEVER
from server.budget.running.tracker import ThinkingTracker
from server.engine.client.worker_calls import ThinkingEnder
from server.reasoning.ends import End
from tests.server.budget.plans import plan


class Core:
    """An engine client as far as the desk sees it; its engines answer when told to."""

    client_index = 0
    core_engine: Any = "only"

    def __init__(self, **more: Any) -> None:
        self.utility_results: dict[int, Any] = {}
        self.encoder = self
        self.asked: list[tuple[Any, list[str]]] = []
        vars(self).update(more)

    def encode(self, call: Any) -> list[Any]:
        return [call]

    async def _send_input_message(self, message: tuple[Any, ...], engine: Any) -> None:
        method, _, (rows,), _ = message[1][3]
        assert method == "s1_end_thinking"
        self.asked.append((engine, rows))

    def answer(self, workers: list[dict[str, int]]) -> None:
        """As the client does when it reads the socket, in the middle of its turn."""
        _, waiting = self.utility_results.popitem()
        waiting.set_result(workers)


async def test_follower_knows_before_anything_else_can_run() -> None:
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
