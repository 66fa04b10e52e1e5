"""Several API processes of one server: whichever of them a request lands on, the answer is right.

Every test that is about more than one looks that more than one got requests.
"""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.mmap_dict import MmapedDict

from tests.conftest import ServerProcess
from tests.server.api.test_control import CHAT, CONTROL, ENDLESS, events
from tests.server.api.test_keys import bearer, reports
from tests.server.keys.store.real_store import RealStore, valkey

pytestmark = [pytest.mark.engine, pytest.mark.slow]

PROCESSES = 2
STREAMS = 16
"""At once: that all of their control requests land on the right process by chance, is one in 2**16."""
FILE = """
[counted]
key = "sk-counted"
quota_tokens = 1_000_000
quota_window_s = 86_400
[soon]
key = "sk-soon"
quota_tokens = 400
quota_window_s = 86_400
"""
BODY: dict[str, Any] = {**ENDLESS, "thinking_budget": {"max_tokens": 40, "num_waits": 1}}
COUNTED = "sk-counted"


class Server:
    """The server, its store, and what each of its processes has counted."""

    def __init__(self, folder: Path, store: RealStore) -> None:
        (folder / "keys.toml").write_text(FILE)
        self._counts = folder / "prometheus"
        self._counts.mkdir()
        self.store = store
        environment = {
            "S1_API_KEYS_FILE": str(folder / "keys.toml"),
            "S1_QUOTA_STORE": store.url,
            "PROMETHEUS_MULTIPROC_DIR": str(self._counts),
        }
        flags = ["--api-server-count", str(PROCESSES), "--quota-lease-tokens", "64"]
        flags += ["--shutdown-timeout", "120"]
        self.process = ServerProcess(folder / "server.log", flags, environment)
        self.url = self.process.url

    def choices_by_process(self) -> list[float]:
        """How many choices each process has ended, of those that ended any."""
        found = []
        for path in self._counts.glob("counter_*.db"):
            values: Any = MmapedDict.read_all_values_from_file(str(path))  # type: ignore[no-untyped-call]
            found.append(sum(value for key, value, *_ in values if json.loads(key)[1] == "s1_requests_total"))
        return [each for each in found if each]

    def metric(self, name: str, **labels: str) -> float:
        """The sum of its samples with these labels."""
        lines = httpx.get(f"{self.url}/metrics", timeout=30).text.splitlines()
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        found = [each for each in lines if each.startswith((f"{name}{{", f"{name} "))]
        return sum(float(each.split()[-1]) for each in found if all(want in each for want in wanted))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with valkey(tmp_path_factory.mktemp("store")) as store:
        started = Server(tmp_path_factory.mktemp("processes"), store)
        started.process.wait_until_ready()
        yield started
        if started.process.process.poll() is None:
            started.process.stop()


def ask(server: Server, key: str, **changes: Any) -> httpx.Response:
    """On a connection of its own, which any process may accept."""
    return httpx.post(server.url + CHAT, json={**BODY, **changes}, headers=bearer(key), timeout=120)


def in_threads(count: int, work: Any) -> list[Any]:
    """What each of them returns; all run at once."""
    got: list[Any] = [None] * count

    def run(at: int) -> None:
        got[at] = work(at)

    threads = [threading.Thread(target=run, args=(at,), daemon=True) for at in range(count)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(timeout=240)
    return got


def settled(server: Server, name: str) -> int:
    """What the store has charged once no process holds a lease."""
    last, calm = server.store.used(name), time.monotonic()
    while time.monotonic() - calm < 2:
        time.sleep(0.1)
        if (now := server.store.used(name)) != last:
            last, calm = now, time.monotonic()
    return last


def test_reports_metrics_and_quotas_are_sums_over_all_processes(server: Server) -> None:
    names = ("s1_thinking_tokens_total", "s1_forced_tokens_total", "s1_waits_total", "s1_requests_total")
    before, charged = {name: server.metric(name) for name in names}, settled(server, "counted")
    http = server.metric("http_requests_total", handler=CHAT)
    got = in_threads(STREAMS, lambda at: ask(server, COUNTED, n=1 + at % 2, temperature=1.0))
    told = [report for each in got for report in reports(each)]
    thought = sum(report["tokens"] for report in told)
    assert settled(server, "counted") - charged == thought
    for name, field in zip(names, ("tokens", "forced_tokens", "waits_used"), strict=False):
        assert server.metric(name) - before[name] == sum(report[field] for report in told), name
    assert server.metric("s1_requests_total") - before["s1_requests_total"] == len(told)
    assert all(report["max_tokens"] == 40 for report in told)
    assert server.metric("http_requests_total", handler=CHAT) - http == STREAMS
    assert len(server.choices_by_process()) == PROCESSES, "only one process got requests"
    left = {ask(server, COUNTED, thinking_budget=0).headers["x-ratelimit-remaining-tokens"] for _ in range(6)}
    assert left == {str(1_000_000 - charged - thought)}


def test_gauges_count_what_thinks_in_any_process_and_control_finds_it(server: Server) -> None:
    ids: list[str] = []
    all_came = threading.Barrier(STREAMS + 1, timeout=120)

    def stream() -> dict[str, Any]:
        body = {**ENDLESS, "stream": True, "thinking_budget": {"min_tokens": 1500, "on_loop": "ignore"}}
        with httpx.stream("POST", server.url + CHAT, json=body, headers=bearer(COUNTED), timeout=240) as got:
            come = events(got.iter_lines())
            first = next(come)
            next(come)
            ids.append(first["id"])
            all_came.wait()
            *_, last = (choice for event in come for choice in event["choices"])
        return dict(last["thinking"])

    def control() -> Any:
        all_came.wait()
        assert server.metric("s1_requests_thinking") == STREAMS
        return [
            httpx.post(
                server.url + CONTROL,
                json={"id": each, "action": "end_thinking"},
                headers=bearer(COUNTED),
                timeout=60,
            ).json()
            for each in ids
        ]

    *told, said = in_threads(STREAMS + 1, lambda at: stream() if at < STREAMS else control())
    assert said == [{"success": True}] * STREAMS
    assert [report["end"] for report in told] == ["requested"] * STREAMS
    assert server.metric("s1_requests_thinking") == 0
    unknown = httpx.post(
        server.url + CONTROL,
        json={"id": "chatcmpl-nobody", "action": "end_thinking"},
        headers=bearer(COUNTED),
        timeout=60,
    )
    assert unknown.json() == {"success": False, "message": "no active completion for this id on this server"}
    assert len(server.choices_by_process()) == PROCESSES, "only one process got requests"


def test_stored_response_is_read_and_gone_on_from_in_any_process(server: Server) -> None:
    def respond(**body: Any) -> httpx.Response:
        asked = {"model": "s1-nano", "max_output_tokens": 8, "thinking_budget": 2, **body}
        return httpx.post(f"{server.url}/v1/responses", json=asked, headers=bearer(COUNTED), timeout=60)

    made = [respond(input=str(number)).json()["id"] for number in range(STREAMS)]
    for each in made:
        url = f"{server.url}/v1/responses/{each}"
        assert httpx.get(url, headers=bearer(COUNTED), timeout=60).json()["id"] == each
        assert httpx.get(url, headers=bearer("sk-soon"), timeout=60).status_code == 404
        assert respond(input="Again.", previous_response_id=each).status_code == 200
    streamed = respond(input="Again.", previous_response_id=made[0], stream=True)
    assert "event: response.completed" in streamed.text
    assert respond(input="Again.", previous_response_id="resp_nobody").status_code == 404


def test_quota_that_is_spent_in_one_process_is_spent_in_all(server: Server) -> None:
    got = in_threads(8, lambda _: ask(server, "sk-soon", **ENDLESS))
    thought = sum(report["tokens"] for each in got if each.status_code == 200 for report in reports(each))
    assert 400 <= thought < 400 + 8 * 150
    assert {ask(server, "sk-soon").status_code for _ in range(8)} == {429}
    assert settled(server, "soon") == thought


def test_sigterm_drains_every_process_and_the_exit_is_clean(server: Server) -> None:
    all_came = threading.Barrier(STREAMS + 1, timeout=120)
    process = server.process.process

    def stream() -> dict[str, Any]:
        body = {**ENDLESS, "stream": True, "thinking_budget": {"min_tokens": 300, "on_loop": "ignore"}}
        with httpx.stream("POST", server.url + CHAT, json=body, headers=bearer(COUNTED), timeout=240) as got:
            come = events(got.iter_lines())
            next(come)
            all_came.wait()
            *_, last = (choice for event in come for choice in event["choices"])
        return dict(last["thinking"])

    def stop() -> Any:
        all_came.wait()
        process.send_signal(signal.SIGTERM)
        time.sleep(1)
        return [httpx.get(f"{server.url}/health", timeout=30).status_code for _ in range(4)]

    before = settled(server, "counted")
    *told, said = in_threads(STREAMS + 1, lambda at: stream() if at < STREAMS else stop())
    assert said == [503] * 4
    assert all(report["tokens"] >= 300 for report in told)
    assert process.wait(timeout=90) == 0
    assert settled(server, "counted") - before == sum(report["tokens"] for report in told)
    log = server.process.log.read_text()
    assert "Traceback" not in log


@pytest.mark.parametrize("who", ["an API process", "the engine", "the server's own process"])
def test_process_that_is_killed_takes_the_others_with_it(tmp_path: Path, who: str) -> None:
    started = ServerProcess(tmp_path / "server.log", ["--api-server-count", "2"])
    started.wait_until_ready()
    children = {pid: _command(pid) for pid in _children(started.process.pid)}
    engine = [pid for pid, command in children.items() if "EngineCore" in command]
    api = [pid for pid, command in children.items() if "spawn_main" in command and pid not in engine]
    assert (len(engine), len(api)) == (1, 2)
    victim = {"an API process": api[0], "the engine": engine[0]}.get(who, started.process.pid)
    os.kill(victim, signal.SIGKILL)
    assert started.process.wait(timeout=60) == (1 if victim in children else -signal.SIGKILL)
    began = time.monotonic()
    while any(Path(f"/proc/{pid}").exists() for pid in (*engine, *api)):
        assert time.monotonic() - began < 30, "a process is left"
        time.sleep(0.2)


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode()
