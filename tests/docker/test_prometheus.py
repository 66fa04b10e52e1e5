"""A real Prometheus scrapes the real server under load: every query of dashboard and rules returns data."""

import asyncio
import math
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from evals.bench.mix import CEILING, Mix
from tests.conftest import ServerProcess
from tests.docker.board import CONFIG, DOCKER, RULES, Json, Query, panel_queries, rule_queries

pytestmark = pytest.mark.slow

HEALTHY = "nothing is wrong"
QUIET = {rule.where: HEALTHY for rule in rule_queries("alert")} | {
    "Drafts accepted / A": "it verifies no drafts; test_speculation.py has the names"
}
"""Queries that return nothing on a healthy server under load, and why."""
SCRAPE_S = 1


@pytest.fixture(scope="module")
def prometheus_command() -> str:
    """Debian's; promtool comes with it."""
    if shutil.which("prometheus") is None:
        subprocess.run(["apt-get", "update", "-qq"], check=True, timeout=300)
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "prometheus"]
        subprocess.run(install, check=True, timeout=600)
    command = shutil.which("prometheus")
    assert command is not None
    return command


def promtool(*arguments: str, text: str | None = None) -> str:
    """What it says; fails where it does."""
    done = subprocess.run(
        ["promtool", *arguments],
        cwd=DOCKER / "prometheus",
        input=text,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


# -- the files -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("prometheus_command")
def test_configuration_and_rules_are_valid() -> None:
    promtool("check", "config", CONFIG.name)
    promtool("check", "rules", "--lint=all", "--lint-fatal", RULES.name)


@pytest.mark.usefixtures("prometheus_command")
def test_rules_do_what_their_unit_tests_say() -> None:
    assert "SUCCESS" in promtool("test", "rules", "rules_test.yml")


# -- the running pair ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pair:
    """A server that has been under load, and the Prometheus that watched."""

    server: ServerProcess
    url: str

    def get(self, path: str, **parameters: str) -> Any:
        """Of Prometheus's API; an expression that does not parse fails here."""
        answer: Json = httpx.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=30).json()
        assert answer["status"] == "success", answer
        return answer["data"]

    def values(self, expr: str) -> list[float]:
        """What the expression gives now, NaN left out."""
        found = self.get("query", query=expr)["result"]
        return [value for each in found if not math.isnan(value := float(each["value"][1]))]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, prometheus_command: str) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("prometheus")
    server = ServerProcess(folder / "server.log", ["--max-thinking-budget", str(CEILING)])
    try:
        server.wait_until_ready()
        process, url = _watch(prometheus_command, folder, server.url)
        try:
            pair = Pair(server, url)
            _until(lambda: pair.values('up{job="s1-server"} == 1'))
            asyncio.run(_load(server.url))
            _until(lambda: pair.values("model:s1_requests:increase5m"))
            yield pair
        finally:
            process.terminate()
            process.wait(timeout=300)
    finally:
        server.stop()


def _watch(command: str, folder: Path, server_url: str) -> tuple[subprocess.Popen[bytes], str]:
    """The shipped configuration, with the server's real address, and faster."""
    config = yaml.safe_load(CONFIG.read_text())
    (job,) = config["scrape_configs"]
    job["static_configs"][0]["targets"] = [server_url.removeprefix("http://")]
    config["global"] = {"scrape_interval": f"{SCRAPE_S}s", "evaluation_interval": f"{SCRAPE_S}s"}
    (folder / CONFIG.name).write_text(yaml.safe_dump(config))
    shutil.copy(RULES, folder / RULES.name)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    flags = [f"--config.file={folder / CONFIG.name}", f"--storage.tsdb.path={folder / 'data'}"]
    with (folder / "prometheus.log").open("w") as out:
        process = subprocess.Popen(
            [command, *flags, f"--web.listen-address={address}"], stdout=out, stderr=subprocess.STDOUT
        )
    return process, f"http://{address}"


async def _load(server_url: str) -> None:
    """A fifth of the mix, and again, so that every counter grows between two scrapes."""
    async with httpx.AsyncClient(base_url=server_url, timeout=240) as client:
        mix = Mix(client)
        for _ in range(2):
            await mix.run(share=0.2)
            await asyncio.sleep(3 * SCRAPE_S)


def _until(condition: Callable[[], Any], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.5)


@pytest.mark.parametrize(
    "query",
    [*panel_queries(), *rule_queries("record"), *rule_queries("alert")],
    ids=lambda query: query.where,
)
@pytest.mark.engine
def test_query_parses_and_returns_data_or_is_quiet_for_a_reason(pair: Pair, query: Query) -> None:
    values = pair.values(query.filled_in)
    assert bool(values) != (query.where in QUIET), values


@pytest.mark.engine
def test_every_recording_rule_records(pair: Pair) -> None:
    for rule in rule_queries("record"):
        assert pair.values(rule.where), rule.where


@pytest.mark.engine
def test_rules_evaluate_without_an_error(pair: Pair) -> None:
    rules = [rule for group in pair.get("rules")["groups"] for rule in group["rules"]]
    assert {rule["name"] for rule in rules} == {
        query.where for kind in ("record", "alert") for query in rule_queries(kind)
    }
    assert {(rule["health"], rule.get("lastError")) for rule in rules} == {("ok", None)}


@pytest.mark.engine
def test_dashboards_list_of_models_is_what_is_served(pair: Pair) -> None:
    assert pair.get("label/model/values", **{"match[]": "s1_requests_total"}) == ["s1-nano"]


@pytest.mark.engine
def test_shares_are_shares(pair: Pair) -> None:
    for rule in rule_queries("record"):
        if rule.where.endswith(":share_rate5m"):
            assert all(0 <= value <= 1 for value in pair.values(rule.where)), rule.where


@pytest.mark.engine
def test_promtool_finds_nothing_wrong_with_our_names(pair: Pair) -> None:
    text = httpx.get(f"{pair.server.url}/metrics").text
    ours = [line for line in text.splitlines() if "s1_" in line and "_created" not in line]
    promtool("check", "metrics", text="\n".join(ours) + "\n")


@pytest.mark.engine
def test_server_that_is_stopped_raises_the_alert(pair: Pair) -> None:
    """Last: it stops the server."""
    pair.server.stop()
    (down,) = (rule for rule in rule_queries("alert") if rule.where == "S1EngineDown")
    _until(lambda: pair.values(down.expr))
    _until(
        lambda: [alert["labels"]["alertname"] for alert in pair.get("alerts")["alerts"]] == ["S1EngineDown"]
    )
