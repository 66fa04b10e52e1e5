"""A real Prometheus scrapes the real server under load: every query of dashboard and rules returns data."""

import asyncio
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from evals.bench.mix import CEILING, Mix
from tests.conftest import ServerProcess
from tests.docker.board import CONFIG, DOCKER, RULES, Query, panel_queries, rule_queries
from tests.docker.watching import SCRAPE_S, Prometheus, installed_prometheus, until, watching

pytestmark = pytest.mark.slow

HEALTHY = "nothing is wrong"
QUIET = {rule.where: HEALTHY for rule in rule_queries("alert")} | {
    "Drafts accepted / A": "it verifies no drafts; test_speculation.py has the names"
}
"""Queries that return nothing on a healthy server under load, and why."""


@pytest.fixture(scope="module")
def prometheus_command() -> str:
    """Debian's."""
    return installed_prometheus()


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
class Pair(Prometheus):
    """A Prometheus that has watched a server under load."""

    server: ServerProcess


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, prometheus_command: str) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("prometheus")
    server = ServerProcess(folder / "server.log", ["--max-thinking-budget", str(CEILING)])
    try:
        server.wait_until_ready()
        with watching(prometheus_command, folder, [server.url]) as prometheus:
            pair = Pair(prometheus.url, server)
            until(lambda: pair.values('up{job="s1-server"} == 1'))
            asyncio.run(_load(server.url))
            until(lambda: pair.values("model:s1_requests:increase5m"))
            yield pair
    finally:
        server.stop()


async def _load(server_url: str) -> None:
    """A fifth of the mix, and again, so that every counter grows between two scrapes."""
    async with httpx.AsyncClient(base_url=server_url, timeout=240) as client:
        mix = Mix(client)
        for _ in range(2):
            await mix.run(share=0.2)
            await asyncio.sleep(3 * SCRAPE_S)


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
    until(lambda: pair.values(down.expr))
    until(
        lambda: [alert["labels"]["alertname"] for alert in pair.get("alerts")["alerts"]] == ["S1EngineDown"]
    )
