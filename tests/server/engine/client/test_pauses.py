"""Pauses and resumptions that meet, over an engine that does as it is told: the later word holds."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from server.api.weight_updates import RESUME, WeightUpdateMiddleware
from server.engine.client.call import Call
from server.engine.client.weights import Stage, UpdatableLLM, WeightGate, WeightUpdateError


class Core:
    """vLLM's connection to an engine. `answers`: whether it answers yet."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers = asyncio.Event()
        self.answers.set()

    async def pause_scheduler_async(self, **_: Any) -> None:
        self.asked.append("pause")
        await self.answers.wait()

    async def resume_scheduler_async(self) -> None:
        self.asked.append("resume")
        await self.answers.wait()

    def shutdown(self, **_: Any) -> None:
        pass


class Engine(UpdatableLLM):
    """`runs`: whether a request does."""

    def __init__(self, *, runs: bool = False) -> None:
        self.weights = WeightGate()
        self._exchanging = asyncio.Lock()
        self.runs = runs
        self.core = Core()
        cleared = SimpleNamespace(clear_mm_cache_async=lambda: asyncio.sleep(0), shutdown=lambda: None)
        self.engine_core: Any = self.core
        self.renderer: Any = cleared
        self.output_processor: Any = SimpleNamespace(has_unfinished_requests=lambda: self.runs)

    def end_requests(self) -> None:
        self.runs = False

    async def serves(self) -> bool:
        """Whether requests begin, in the eyes of the gate and of the engine."""
        entering = asyncio.create_task(self.weights.enter(Call()))
        await asyncio.sleep(0)
        enters = entering.done()
        entering.cancel()
        is_paused = [each for each in self.core.asked if each in ("pause", "resume")][-1:] == ["pause"]
        assert enters == (self.weights.stage is Stage.SERVING) == (not is_paused)
        return enters


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("is_paused", [True, False])
async def test_pause_that_comes_during_a_resumption_holds(is_paused: bool) -> None:
    engine = Engine()
    if is_paused:
        await engine.pause_generation(mode="wait")
    engine.core.answers.clear()
    resuming = asyncio.create_task(engine.resume_generation())
    await turns()
    pausing = asyncio.create_task(engine.pause_generation(mode="wait"))
    await turns()
    engine.core.answers.set()
    await resuming
    await pausing
    assert engine.weights.stage is Stage.PAUSED
    assert not await engine.serves()


@pytest.mark.parametrize("before", [1, 2, 5])
async def test_resumption_calls_a_pause_off_that_waits(before: int) -> None:
    engine = Engine(runs=True)
    waiting = [asyncio.create_task(engine.pause_generation(mode="wait")) for _ in range(2)]
    await turns(before)
    await engine.resume_generation()
    for each in waiting:
        with pytest.raises(ValueError, match="called off"):
            await each
    assert engine.runs
    assert engine.core.asked == []
    assert await engine.serves()
    engine.end_requests()
    await engine.pause_generation(mode="wait")
    assert not await engine.serves()


async def test_pause_that_follows_on_one_called_off_waits_itself() -> None:
    engine = Engine(runs=True)
    first = asyncio.create_task(engine.pause_generation(mode="wait"))
    await turns()
    resuming = asyncio.create_task(engine.resume_generation())
    second = asyncio.create_task(engine.pause_generation(mode="wait"))
    await resuming
    with pytest.raises(ValueError, match="called off"):
        await first
    await turns()
    assert engine.weights.stage is Stage.WAITING
    engine.end_requests()
    await second
    assert not await engine.serves()


async def test_pause_that_waits_no_longer_is_not_called_off() -> None:
    engine = Engine(runs=True)
    engine.core.answers.clear()
    waiting = asyncio.create_task(engine.pause_generation(mode="wait"))
    await turns()
    aborting = asyncio.create_task(engine.pause_generation(mode="abort"))
    await turns()
    assert not engine.runs
    with pytest.raises(WeightUpdateError, match="wait for it"):
        await engine.resume_generation()
    engine.core.answers.set()
    await asyncio.gather(waiting, aborting)
    assert not await engine.serves()


async def test_client_that_leaves_calls_no_pause_off() -> None:
    engine = Engine(runs=True)
    lost = asyncio.create_task(engine.pause_generation(mode="wait"))
    await turns()
    lost.cancel()
    with pytest.raises(asyncio.CancelledError):
        await lost
    assert engine.weights.stage is Stage.WAITING
    engine.end_requests()
    await engine.pause_generation(mode="wait")
    assert not await engine.serves()


@pytest.mark.parametrize("stage", Stage)
async def test_resumption_passes_where_there_is_something_to_resume(stage: Stage) -> None:
    sent: list[Message] = []

    async def route(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError

    gate = WeightGate()
    gate.stage = stage
    scope: Scope = {"type": "http", "method": "POST", "path": RESUME, "headers": []}
    await WeightUpdateMiddleware(route, gate, needs_admin=False)(scope, receive, send)
    passes = stage in (Stage.SERVING, Stage.WAITING, Stage.PAUSED)
    assert sent[0]["status"] == (200 if passes else 409)
