"""How the server stops: what runs is finished or told, what comes is sent away, and the exit is clean."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.api.shutdown import Drain
from tests.conftest import ServerProcess
from tests.server.api.test_control import CHAT, ENDLESS, events

TOLD = "The server is stopping: this request was cut off"
LONG = {**ENDLESS, "ignore_eos": True, "n": 64}
"""Minutes, in an engine that runs one sequence at a time."""


def cut_off(url: str, path: str, body: dict[str, Any], started: threading.Event, got: list[Any]) -> None:
    """Send a request that never ends by itself; `got` is what came last."""
    with httpx.stream("POST", url + path, json=body, timeout=300) as response:
        started.set()
        if response.headers["content-type"].startswith("text/event-stream"):
            *_, last = events(response.iter_lines())
        else:
            response.read()
            last = {"status": response.status_code, **response.json()}
        got.append(last)


def in_thread(*args: Any) -> tuple[threading.Thread, list[Any]]:
    """Such a request, in the background."""
    started, got = threading.Event(), list[Any]()
    thread = threading.Thread(target=cut_off, args=(*args, started, got), daemon=True)
    thread.start()
    return thread, got


Start = Callable[[int], ServerProcess]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A server that runs one sequence at a time and lets them finish for so many seconds."""
    started: list[ServerProcess] = []

    def one(limit_s: int) -> ServerProcess:
        flags = ["--max-num-seqs", "1", "--shutdown-timeout", str(limit_s)]
        started.append(ServerProcess(tmp_path / "server.log", flags))
        started[0].wait_until_ready()
        return started[0]

    yield one
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()


@pytest.mark.engine
def test_sigterm_lets_requests_finish_takes_no_new_ones_and_a_second_one_ends_it(start: Start) -> None:
    process = start(240)
    url = process.url
    first = {**ENDLESS, "stream": True, "n": 2}
    with httpx.stream("POST", url + CHAT, json=first, timeout=240) as response:
        stream = events(response.iter_lines())
        next(stream)
        cut = [
            in_thread(url, CHAT, {**LONG, "stream": True}),
            in_thread(url, CHAT, LONG),
            in_thread(url, "/v1/messages", {**LONG, "n": 1, "max_tokens": 1900, "stream": True}),
        ]
        _wait_for(url, unfinished=64 + 64 + 1 + 1)  # all of them, and the first one still
        process.process.send_signal(signal.SIGTERM)
        _check_refusals(url)
        finished = [each for event in stream for each in event["choices"] if each["finish_reason"]]
    assert len(finished) == 2
    assert all(choice["thinking"]["tokens"] >= 900 for choice in finished)

    process.process.send_signal(signal.SIGTERM)
    assert process.process.wait(timeout=300) == 0
    for thread, _ in cut:
        thread.join(timeout=300)
    (streamed,), (whole,), (messages,) = (got for _, got in cut)
    assert streamed["error"]["message"].startswith(TOLD)
    assert (whole["status"], whole["error"]["message"].startswith(TOLD)) == (503, True)
    assert messages["error"]["message"].startswith(TOLD)


def _wait_for(url: str, unfinished: int) -> None:
    gauges = ("vllm:num_requests_waiting{", "vllm:num_requests_running{")
    with httpx.Client() as client:
        for _ in range(200):
            lines = client.get(f"{url}/metrics").text.splitlines()
            if sum(float(line.split()[-1]) for line in lines if line.startswith(gauges)) >= unfinished:
                return
            time.sleep(0.02)
    pytest.fail("the requests did not come, or the first one was over before")


def _check_refusals(url: str) -> None:
    """The signal may take a moment to arrive."""
    while httpx.get(f"{url}/health").status_code == 200:
        time.sleep(0.02)
    assert httpx.get(f"{url}/health").json() == {"status": "stopping"}
    for path in (CHAT, "/v1/messages", "/tokenize"):
        refused = httpx.post(url + path, json=ENDLESS)
        assert refused.status_code == 503
        assert 1 <= int(refused.headers["retry-after"]) <= 240
        assert "stopping" in refused.json()["error"]["message"]
    assert httpx.get(f"{url}/metrics").status_code == 200


@pytest.mark.engine
def test_at_the_limit_what_still_runs_is_told_and_the_exit_is_zero(start: Start) -> None:
    process = start(1)
    with httpx.stream("POST", process.url + CHAT, json={**LONG, "stream": True}, timeout=300) as response:
        stream = events(response.iter_lines())
        next(stream)
        process.process.send_signal(signal.SIGTERM)
        (*_, last) = stream
    assert last["error"]["message"].startswith(TOLD)
    assert process.process.wait(timeout=300) == 0
    said = process.log.read_text()
    assert (
        "Finished server process" in said.splitlines()[-1]
    )  # no word of the process that takes itself apart


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_while_the_engine_loads_ends_it_at_once(tmp_path: Path, number: signal.Signals) -> None:
    server = ServerProcess(log := tmp_path / "server.log", ["--max-num-seqs", "1"])
    while "s1-serve: address" not in log.read_text():
        assert server.process.poll() is None
        time.sleep(0.1)
    time.sleep(2)
    server.process.send_signal(number)
    assert server.process.wait(timeout=300) == 128 + number
    assert "s1-serve: stopped before it was ready" in log.read_text()
    assert "Traceback" not in log.read_text()


class Engine:
    """An engine that runs until it is cut off."""

    def __init__(self) -> None:
        self.is_cut_off = False

    def get_num_unfinished_requests(self) -> int:
        return int(not self.is_cut_off)

    def cut_off(self) -> None:
        self.is_cut_off = True


class Server:
    should_exit = False


@pytest.fixture
async def draining() -> Any:
    """A drain that has the process's signals, with an hour's limit."""
    engine, server = Engine(), Server()
    drain = Drain(engine, 3600.0)  # type: ignore[arg-type]
    drain.listen(server)
    yield drain, engine, server
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().remove_signal_handler(number)


async def test_sigint_ends_at_once(draining: tuple[Drain, Engine, Server]) -> None:
    _, engine, server = draining
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.sleep(0.2)
    assert engine.is_cut_off
    assert server.should_exit


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
async def test_sigterm_waits_until_a_second_signal(draining: Any, second: signal.Signals) -> None:
    drain, engine, server = draining
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(0.2)
    assert (engine.is_cut_off, server.should_exit) == (False, False)
    assert 3590 < drain.left_s <= 3600
    os.kill(os.getpid(), second)
    await asyncio.sleep(0.2)
    assert (engine.is_cut_off, server.should_exit) == (True, True)
