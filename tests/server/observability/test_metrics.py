"""What one ended choice adds to each metric, and what the gauges hold meanwhile."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from server.observability.metrics import METRICS, Metrics
from server.observability.record import ENDS, KINDS
from tests.server.observability.choices import REPORT, ended

MODEL = {"model": "s1-nano", "family": "think"}


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> Metrics:
    return Metrics(registry)


def test_choice_adds_what_its_record_says(metrics: Metrics, registry: CollectorRegistry) -> None:
    metrics.observe(ended())
    counted = {
        "s1_requests_total": 1,
        "s1_thinking_tokens_total": 30,
        "s1_answer_tokens_total": 9,
        "s1_waits_total": 2,
        "s1_budgets_clamped_total": 0,
        "s1_empty_answers_total": 0,
        "s1_request_thinking_tokens_sum": 30,
        "s1_request_budget_used_ratio_sum": 0.75,
        "s1_request_thinking_seconds_sum": 0.75,
        "s1_time_to_first_answer_token_seconds_sum": 0.9,
        "s1_request_waits_sum": 2,
    }
    labels = {"s1_requests_total": {"end": "natural"}}
    for name, value in counted.items():
        assert registry.get_sample_value(name, {**MODEL, **labels.get(name, {})}) == value, name
    forced = {
        kind: registry.get_sample_value("s1_forced_tokens_total", {**MODEL, "kind": kind})
        for kind in ("nudge", "cue")
    }
    assert forced == {"nudge": 2, "cue": 5}


@pytest.mark.parametrize("end", ENDS)
def test_every_choice_is_counted_once_however_it_ended(
    metrics: Metrics, registry: CollectorRegistry, end: str
) -> None:
    metrics.observe(ended(end=end))
    ends = {each: registry.get_sample_value("s1_requests_total", {**MODEL, "end": each}) for each in ENDS}
    assert {each: count for each, count in ends.items() if count} == {end: 1}
    assert registry.get_sample_value("s1_request_thinking_tokens_count", MODEL) == 1


@pytest.mark.parametrize(
    ("end", "shows_answer", "count"),
    [
        ("natural", False, 1),
        ("length", False, 1),
        ("natural", True, 0),
        ("aborted", False, 0),
        ("error", False, 0),
    ],
)
def test_answer_is_empty_only_in_a_response(
    metrics: Metrics, registry: CollectorRegistry, end: str, shows_answer: bool, count: int
) -> None:
    metrics.observe(ended(end=end, shows_answer=shows_answer))
    assert registry.get_sample_value("s1_empty_answers_total", MODEL) == count


@pytest.mark.parametrize("maximum", [-1, 0])
def test_no_share_of_a_budget_that_has_no_maximum(
    metrics: Metrics, registry: CollectorRegistry, maximum: int
) -> None:
    metrics.observe(ended(thinking=replace(REPORT, max_tokens=maximum)))
    assert registry.get_sample_value("s1_request_budget_used_ratio_count", MODEL) in (None, 0)


def test_served_model_begins_every_series_at_zero(metrics: Metrics, registry: CollectorRegistry) -> None:
    metrics.serve("s1-nano", "think")
    for metric in METRICS:
        for value in metric.values:
            labels = {
                **(MODEL if metric.is_of_model else {}),
                **({metric.label: value} if metric.label else {}),
            }
            sample = f"{metric.name}_count" if metric.type == "histogram" else metric.name
            assert registry.get_sample_value(sample, labels) == 0, (metric.name, labels)


def test_label_of_a_metric_has_the_values_that_the_server_knows() -> None:
    assert {metric.label: metric.values for metric in METRICS if metric.label} == {
        "end": ENDS,
        "kind": KINDS,
        "result": ("answered", "failed"),
    }


def test_gauges_follow_a_choice_and_return_to_zero(metrics: Metrics, registry: CollectorRegistry) -> None:
    def gauges() -> tuple[float | None, ...]:
        names = ("s1_requests_thinking", "s1_in_flight_thinking_tokens", "s1_in_flight_budget_tokens")
        return tuple(registry.get_sample_value(name, MODEL) for name in names)

    one, other = metrics.flight("s1-nano", "think"), metrics.flight("s1-nano", "think")
    one.think(1, 40)
    other.think(1, 100)
    one.think(7, 40)
    assert gauges() == (2, 8, 140)
    one.land()
    one.land()
    assert gauges() == (1, 1, 100)
    other.land()
    assert gauges() == (0, 0, 0)


def test_exposition_is_valid_openmetrics(metrics: Metrics, registry: CollectorRegistry) -> None:
    metrics.observe(ended())
    metrics.refuse()
    text = generate_latest(registry).decode()  # type: ignore[no-untyped-call]
    parsed = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    families = {family.name: family for family in parsed}
    assert {f"{name}_total" if family.type == "counter" else name for name, family in families.items()} == {
        metric.name for metric in METRICS
    }
    assert all(family.documentation for family in families.values())


def test_metrics_of_all_processes_are_summed_where_vllm_sums_its_own(tmp_path: Path) -> None:
    """vLLM's /metrics reads PROMETHEUS_MULTIPROC_DIR where that is set."""
    write = (
        "from prometheus_client import REGISTRY\n"
        "from server.observability.metrics import Metrics\n"
        "from tests.server.observability.choices import ended\n"
        "metrics = Metrics(REGISTRY)\n"
        "metrics.observe(ended())\n"
        "metrics.flight('s1-nano', 'think').think(5, 40)\n"
    )
    read = (
        "from vllm.v1.metrics.prometheus import get_prometheus_registry\n"
        "registry = get_prometheus_registry()\n"
        "labels = {'model': 's1-nano', 'family': 'think'}\n"
        "print(registry.get_sample_value('s1_thinking_tokens_total', labels))\n"
    )
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": "."}
    for code in (write, write):
        subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=600)
    said = subprocess.run(
        [sys.executable, "-c", read], env=environment, check=True, timeout=600, capture_output=True, text=True
    )
    assert said.stdout.split()[-1] == "60.0"
