"""The shipped dashboard and rules, and the PromQL in them."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

DOCKER = Path(__file__).parents[2] / "docker"
BOARD = DOCKER / "grafana" / "dashboards" / "s1-server.json"
RULES = DOCKER / "prometheus" / "rules.yml"
CONFIG = DOCKER / "prometheus" / "prometheus.yml"

Json = dict[str, Any]

_METRIC = re.compile(r"(?<![\w:])(s1_\w+?)(?:_bucket|_sum|_count)?(?![\w:])")
_GRAFANA = {"$model": ".*", "$__rate_interval": "1m", "$__range": "5m"}
"""What Grafana fills in."""


@dataclass(frozen=True, slots=True)
class Query:
    """`where` is "panel / refId", or the rule's name."""

    where: str
    expr: str

    @property
    def filled_in(self) -> str:
        """The query with Grafana's variables replaced, as Prometheus receives it."""
        expr = self.expr
        for variable, value in _GRAFANA.items():
            expr = expr.replace(variable, value)
        return expr

    @property
    def metrics(self) -> set[str]:
        """Our metrics that a query reads."""
        return set(_METRIC.findall(self.expr))


def board() -> Json:
    """The dashboard."""
    parsed: Json = json.loads(BOARD.read_text())
    return parsed


def panels() -> list[Json]:
    """The panels that show data."""
    return [panel for panel in board()["panels"] if panel["type"] != "row"]


def panel_queries() -> list[Query]:
    """The queries of all panels."""
    return [
        Query(f"{panel['title']} / {target['refId']}", target["expr"])
        for panel in panels()
        for target in panel["targets"]
    ]


def rules() -> Iterator[Json]:
    """All recording rules and alerts."""
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        yield from group["rules"]


def rule_queries(kind: str) -> list[Query]:
    """The queries of the rules of one kind: "record" or "alert"."""
    return [Query(rule[kind], rule["expr"]) for rule in rules() if kind in rule]
