"""A model of no known family is counted too, from files as vLLM's metrics; an engine that dies is told of."""

import asyncio
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import ServerProcess

pytestmark = pytest.mark.engine

COMPLETIONS = "/v1/completions"
LINE = re.compile(r"^INFO:     ended (.*)$", re.MULTILINE)


@pytest.fixture(scope="module")
def doomed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """In the mode in which vLLM collects metrics from files."""
    folder = tmp_path_factory.mktemp("doomed")
    (folder / "metrics").mkdir()
    environment = {"PROMETHEUS_MULTIPROC_DIR": str(folder / "metrics")}
    process = ServerProcess(folder / "server.log", ["--family", "none", "--log-prompts"], environment)
    try:
        process.wait_until_ready()
        yield process
    finally:
        process.process.kill()
        process.process.wait()


def body(**changes: Any) -> dict[str, Any]:
    return {"model": "s1-nano", "prompt": "17 = ", "max_tokens": 40, "ignore_eos": True, **changes}


def lines(process: ServerProcess) -> list[str]:
    return LINE.findall(process.log.read_text())


def count(process: ServerProcess, sample: str) -> float:
    text = httpx.get(f"{process.url}/metrics").text
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(sample))


def until(condition: Callable[[], Any], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_all_its_output_is_answer_and_its_thinking_has_no_end(doomed: ServerProcess) -> None:
    response = httpx.post(doomed.url + COMPLETIONS, json=body(n=2, temperature=1.0), timeout=60)
    assert response.json()["usage"]["completion_tokens"] == 80
    labels = 'family="none",model="s1-nano"'
    assert count(doomed, f's1_requests_total{{end="none",{labels}}}') == 2
    assert count(doomed, f"s1_answer_tokens_total{{{labels}}}") == 80
    assert count(doomed, f"s1_thinking_tokens_total{{{labels}}}") == 0
    assert count(doomed, "vllm:generation_tokens_total") == 80
    assert all(" end=none " in line and " answer_tokens=40 " in line for line in lines(doomed))


def test_clients_stop_acts_as_without_us(doomed: ServerProcess) -> None:
    plain = httpx.post(doomed.url + COMPLETIONS, json=body(temperature=0), timeout=60).json()["choices"][0][
        "text"
    ]
    stopped = httpx.post(
        doomed.url + COMPLETIONS, json=body(temperature=0, stop=[plain[4:8]]), timeout=60
    ).json()
    assert stopped["choices"][0]["text"] == plain[: plain.index(plain[4:8])]


def test_refused_budget_is_counted_once_though_the_engine_refused_it(doomed: ServerProcess) -> None:
    prompts = body(prompt=["17", "18"], thinking_budget=5)
    assert httpx.post(doomed.url + COMPLETIONS, json=prompts).status_code == 400
    assert count(doomed, "s1_budgets_refused_total") == 1
    refused = "INFO:     refused path=/v1/completions field=thinking_budget"
    assert doomed.log.read_text().count(refused) == 1


def test_prompt_stands_in_the_log_where_it_was_asked_for(doomed: ServerProcess) -> None:
    httpx.post(doomed.url + COMPLETIONS, json=body(prompt="a\nb"), timeout=60)
    assert lines(doomed)[-1].endswith(r'prompt="a\nb"')
    chat = {"model": "s1-nano", "messages": [{"role": "user", "content": "find 391"}], "max_tokens": 5}
    httpx.post(f"{doomed.url}/v1/chat/completions", json=chat, timeout=60)
    assert "find 391" in lines(doomed)[-1]


def test_client_that_leaves_is_counted(doomed: ServerProcess) -> None:
    before = len(lines(doomed))
    with httpx.stream("POST", doomed.url + COMPLETIONS, json=body(stream=True, max_tokens=1900)) as response:
        next(response.iter_lines())
    until(lambda: len(lines(doomed)) > before)
    assert " end=aborted " in lines(doomed)[-1]


async def test_engine_that_dies_ends_what_it_was_running_in_an_error(doomed: ServerProcess) -> None:
    before = len(lines(doomed))
    async with httpx.AsyncClient(base_url=doomed.url, timeout=60) as client:
        endless = body(max_tokens=1900, n=2, temperature=1.0)
        running = [asyncio.create_task(client.post(COMPLETIONS, json=endless)) for _ in range(3)]
        while count(doomed, "vllm:num_requests_running") < 6:
            await asyncio.sleep(0.05)
        os.kill(_engine(doomed.process.pid), signal.SIGKILL)
        await asyncio.gather(*running, return_exceptions=True)
    until(lambda: doomed.process.poll() is not None)
    told = lines(doomed)[before:]
    assert len(told) == 6
    assert all(" end=error " in line for line in told)


def _engine(pid: int) -> int:
    tasks = Path(f"/proc/{pid}/task")
    children = {int(child) for task in tasks.iterdir() for child in (task / "children").read_text().split()}
    (engine,) = (
        child for child in children if b"resource_tracker" not in Path(f"/proc/{child}/cmdline").read_bytes()
    )
    return engine
