"""The dashboard, the rules and the table of metrics name the same things, and Grafana's schema knows them."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from pydantic import ConfigDict, TypeAdapter

from server.observability.metrics import METRICS
from server.observability.record import ENDS, KINDS
from tests.docker.board import BOARD, DOCKER, board, panel_queries, panels, rule_queries, rules

PAGE = "server/README.md"
README = (DOCKER.parent / PAGE).read_text(encoding="utf-8")
ROWS = ["Traffic", "Thinking", "Budgets", "Latency", "Engine"]
QUERIES = [*panel_queries(), *rule_queries("record"), *rule_queries("alert")]


def parsed() -> Dashboard:
    register_default_plugins()
    return Dashboard.from_json(board())


# -- Grafana's schema ------------------------------------------------------------------------------------


def test_grafana_knows_every_field() -> None:
    """What its schema has no place for is lost on the way through it."""
    back = json.loads(JSONEncoder(sort_keys=True).encode(parsed()))
    assert list(_lost(board(), back)) == []


def test_every_field_has_the_type_that_grafana_wants() -> None:
    assert list(_mistyped(parsed(), "dashboard")) == []


def _lost(sent: Any, back: Any, path: str = "") -> Iterator[str]:
    if isinstance(sent, dict) and isinstance(back, dict):
        for key, value in sent.items():
            if key not in back:
                yield f"{path}.{key}"
            else:
                yield from _lost(value, back[key], f"{path}.{key}")
    elif isinstance(sent, list) and isinstance(back, list) and len(sent) == len(back):
        for index, (one, other) in enumerate(zip(sent, back, strict=True)):
            yield from _lost(one, other, f"{path}[{index}]")
    elif sent != back:
        yield path


def _mistyped(value: Any, path: str) -> Iterator[str]:
    """The SDK's classes say their fields' types, and check none."""
    if isinstance(value, list | tuple):
        for index, each in enumerate(value):
            yield from _mistyped(each, f"{path}[{index}]")
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _mistyped(each, f"{path}.{key}")
    elif type(value).__module__.startswith("grafana_foundation_sdk.models") and not isinstance(value, Enum):
        config = ConfigDict(arbitrary_types_allowed=True)
        for name, hint in get_type_hints(type(value)).items():
            held = getattr(value, name)
            try:
                TypeAdapter(hint, config=config).validate_python(held)
            except ValueError as error:
                yield f"{path}.{name}: {error}"
            yield from _mistyped(held, f"{path}.{name}")


# -- what can be read ------------------------------------------------------------------------------------


def test_rows_are_the_five_that_an_operator_asks_for() -> None:
    assert [panel["title"] for panel in board()["panels"] if panel["type"] == "row"] == ROWS


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_panel_says_what_it_shows_and_in_what_unit(panel: dict[str, Any]) -> None:
    assert len(panel["description"]) > 20
    assert panel["fieldConfig"]["defaults"]["unit"]
    if panel["type"] == "heatmap":
        assert panel["options"]["yAxis"]["unit"]
    if panel["type"] == "timeseries":
        assert all(target["legendFormat"] for target in panel["targets"])
    assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}


def test_titles_and_ids_are_each_their_own() -> None:
    everything = board()["panels"]
    assert Counter(panel["title"] for panel in everything).most_common(1)[0][1] == 1
    assert Counter(panel["id"] for panel in everything).most_common(1)[0][1] == 1


def test_panels_fill_the_width_and_cover_nothing() -> None:
    places = [panel["gridPos"] for panel in board()["panels"]]
    cells = Counter(
        (x, y)
        for at in places
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    )
    assert set(cells.values()) == {1}
    assert {x for x, _ in cells} == set(range(24))
    assert len(cells) == 24 * len({y for _, y in cells})


# -- the same metrics everywhere -------------------------------------------------------------------------


def test_every_metric_has_a_panel_and_no_panel_has_another() -> None:
    shown = set().union(*(query.metrics for query in QUERIES))
    names = {metric.name for metric in METRICS}
    assert sorted(names - shown) == [], f"{BOARD}: no panel shows these metrics"
    assert sorted(shown - names) == [], f"{BOARD}: panels, or rules, for metrics that do not exist"


def test_selectors_name_values_that_there_are() -> None:
    for query in QUERIES:
        assert set(re.findall(r'end="(\w+)"', query.expr)) <= set(ENDS)
        assert set(re.findall(r'kind="(\w+)"', query.expr)) <= set(KINDS)


def test_recorded_names_that_are_read_are_recorded() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    read = {name for query in QUERIES for name in re.findall(r"\bmodel:\w+:\w+", query.expr)}
    assert read == recorded


def test_every_alert_says_what_is_wrong_and_what_to_do() -> None:
    for rule in rules():
        if "alert" in rule:
            assert rule["labels"]["severity"] in ("warning", "critical")
            assert rule["annotations"].keys() == {"summary", "description"}
            assert f"`{rule['alert']}`" in README, f"{PAGE}: no mention of the alert {rule['alert']}"


def test_every_alert_has_a_unit_test() -> None:
    tested = (DOCKER / "prometheus" / "rules_test.yml").read_text()
    for rule in rules():
        name = rule.get("alert") or rule["record"]
        assert name in tested, name


def test_provisioning_finds_the_dashboard_and_the_prometheus_that_it_reads() -> None:
    sources = (DOCKER / "grafana/provisioning/datasources/prometheus.yaml").read_text()
    assert "type: prometheus" in sources
    provider = (DOCKER / "grafana/provisioning/dashboards/s1-server.yaml").read_text()
    assert f"/var/lib/grafana/{BOARD.parent.name}" in provider
    assert Path(BOARD).stem == board()["uid"]
