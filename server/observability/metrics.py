"""The table of metrics, and the one place where they are counted; vLLM's own (vllm:*) are served with them.

To add one: a row here, a row in server/README.md and a panel; tests compare the three.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from server.observability.record import ENDS, KINDS, ChoiceRecord

Amounts = Mapping[str, float]
"""What one ended choice adds, by the value of the metric's own label; "" for a metric without one."""

MODEL_LABELS = ("model", "family")
TOKENS = (0, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536)
SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640, 1280)
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.999, 1)
WAITS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 32)


@dataclass(frozen=True, slots=True)
class Metric:
    """One row."""

    name: str
    help: str
    read: Callable[[ChoiceRecord], Amounts] | None = None
    """How it is derived from an ended choice; None: it is set by Metrics.refuse or Flight."""
    label: str | None = None
    values: tuple[str, ...] = ("",)
    """All values that the label can have."""
    buckets: tuple[float, ...] = ()
    """A histogram's; a metric without is a counter if its name ends with _total, and else a gauge."""
    is_of_model: bool = True
    """Whether it also has the labels of MODEL_LABELS."""
    of_processes: Literal["livesum", "livemin"] = "livesum"
    """A gauge's, from those of several API processes."""

    @property
    def type(self) -> str:
        """counter, histogram or gauge."""
        if self.buckets:
            return "histogram"
        return "counter" if self.name.endswith("_total") else "gauge"

    @property
    def labels(self) -> tuple[str, ...]:
        """In the order in which they are given."""
        return (*(MODEL_LABELS if self.is_of_model else ()), *((self.label,) if self.label else ()))


def _optional(value: float | None) -> Amounts:
    return {} if value is None else {"": value}


REFUSED = Metric(
    "s1_budgets_refused_total", "Requests whose thinking budget was refused with a 400", is_of_model=False
)
STORE_UP = Metric(
    "s1_quota_store_up",
    "Whether the quota store answers: 1, or 0 while it is down",
    is_of_model=False,
    of_processes="livemin",
)
STORE_CALLS = Metric(
    "s1_quota_store_calls_total",
    "Calls of the quota store over the network, by whether they were answered",
    label="result",
    values=("answered", "failed"),
    is_of_model=False,
)
THINKING = Metric("s1_requests_thinking", "Choices that are thinking now")
TOKENS_IN_FLIGHT = Metric("s1_in_flight_thinking_tokens", "Tokens thought so far by those that think now")
BUDGETS_IN_FLIGHT = Metric(
    "s1_in_flight_budget_tokens", "Maximum of thinking tokens of those that think now, by budget or context"
)

METRICS: tuple[Metric, ...] = (
    Metric(
        "s1_requests_total",
        "Choices by why their thinking ended, or what cut them off",
        lambda ended: {ended.end: 1},
        label="end",
        values=ENDS,
    ),
    Metric("s1_thinking_tokens_total", "Thinking tokens", lambda ended: {"": ended.thinking.tokens}),
    Metric("s1_answer_tokens_total", "All other output tokens", lambda ended: {"": ended.answer_tokens}),
    Metric(
        "s1_forced_tokens_total",
        "Tokens forced by a budget, by what they are part of",
        lambda ended: {kind.value: count for kind, count in ended.forced.items()},
        label="kind",
        values=KINDS,
    ),
    Metric(
        "s1_waits_total",
        "Ends of thinking that a nudge replaced",
        lambda ended: {"": ended.thinking.waits_used},
    ),
    Metric(
        "s1_budgets_clamped_total",
        "Choices whose maximum the server's ceiling cut",
        lambda ended: {"": ended.is_clamped},
    ),
    REFUSED,
    Metric(
        "s1_empty_answers_total",
        "Responses without a visible token of the model's own after its thinking",
        lambda ended: {"": ended.is_response and not ended.shows_answer},
    ),
    Metric(
        "s1_request_thinking_tokens",
        "Thinking tokens of a choice",
        lambda ended: {"": ended.thinking.tokens},
        buckets=TOKENS,
    ),
    Metric(
        "s1_request_budget_used_ratio",
        "Share of its maximum that a choice thought, of those with a maximum above 0",
        lambda ended: _optional(ended.budget_used),
        buckets=SHARES,
    ),
    Metric(
        "s1_request_thinking_seconds",
        "Time a choice thought",
        lambda ended: {"": ended.times.thinking_s},
        buckets=SECONDS,
    ),
    Metric(
        "s1_time_to_first_answer_token_seconds",
        "Time from a request's arrival to the first token after its thinking",
        lambda ended: _optional(ended.times.first_answer_token_s),
        buckets=SECONDS,
    ),
    Metric(
        "s1_request_waits",
        "Nudges that a choice got",
        lambda ended: {"": ended.thinking.waits_used},
        buckets=WAITS,
    ),
    THINKING,
    TOKENS_IN_FLIGHT,
    BUDGETS_IN_FLIGHT,
    STORE_UP,
    STORE_CALLS,
)


class Metrics:
    """The metrics in one registry; create one instance per registry.

    vLLM's /metrics shows prometheus_client.REGISTRY or, where PROMETHEUS_MULTIPROC_DIR is set, what all
    processes wrote there; these metrics are in both.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._made = {metric.name: _make(metric, registry) for metric in METRICS}
        self._children: dict[tuple[str, str, str, str], MetricWrapperBase] = {}

    def serve(self, model: str, family: str) -> None:
        """Start every series of a model at 0, so that its first event is an increase."""
        for metric in METRICS:
            if metric.is_of_model:
                for value in metric.values:
                    self._child(metric, model, family, value)
        for result in STORE_CALLS.values:
            self._store_calls(result)

    def observe(self, ended: ChoiceRecord) -> None:
        """Count an ended choice."""
        for metric in METRICS:
            if metric.read is None:
                continue
            for value, amount in metric.read(ended).items():
                child = self._child(metric, ended.model, ended.family, value)
                if isinstance(child, Histogram):
                    child.observe(amount)
                elif isinstance(child, Counter):
                    child.inc(amount)

    def refuse(self) -> None:
        """Count a refused budget."""
        refused = self._made[REFUSED.name]
        assert isinstance(refused, Counter)
        refused.inc()

    def mark_store(self, is_up: bool) -> None:
        """The quota store is up, or down."""
        gauge = self._made[STORE_UP.name]
        assert isinstance(gauge, Gauge)
        gauge.set(is_up)

    def count_store_call(self, is_answered: bool) -> None:
        """The quota store was called."""
        answered, failed = STORE_CALLS.values
        self._store_calls(answered if is_answered else failed).inc()

    def flight(self, model: str, family: str) -> "Flight":
        """The gauges' share of one choice that begins."""
        return Flight(*(self._gauge(each, model, family) for each in _IN_FLIGHT))

    def _store_calls(self, result: str) -> Counter:
        counter = self._made[STORE_CALLS.name].labels(result)
        assert isinstance(counter, Counter)
        return counter

    def _child(self, metric: Metric, model: str, family: str, value: str) -> MetricWrapperBase:
        key = (metric.name, model, family, value)
        if (child := self._children.get(key)) is None:
            own = (value,) if metric.label else ()
            child = self._children[key] = self._made[metric.name].labels(model, family, *own)
        return child

    def _gauge(self, metric: Metric, model: str, family: str) -> Gauge:
        gauge = self._child(metric, model, family, "")
        assert isinstance(gauge, Gauge)
        return gauge


class Flight:
    """One choice's share of the gauges: `think` while it thinks, `land` when it no longer does."""

    __slots__ = ("_budget", "_budgets", "_thinking", "_tokens", "_told")

    def __init__(self, thinking: Gauge, tokens: Gauge, budgets: Gauge) -> None:
        self._thinking = thinking
        self._tokens = tokens
        self._budgets = budgets
        self._told: int | None = None
        self._budget = 0

    def think(self, tokens: int, budget: int) -> None:
        """It has thought `tokens` of at most `budget` thinking tokens."""
        if self._told is None:
            self._told, self._budget = 0, budget
            self._thinking.inc()
            self._budgets.inc(budget)
        self._tokens.inc(tokens - self._told)
        self._told = tokens

    def land(self) -> None:
        """Take its share out of the gauges. It may be called again, to no effect."""
        if self._told is not None:
            self._thinking.dec()
            self._budgets.dec(self._budget)
            self._tokens.dec(self._told)
            self._told = None


_IN_FLIGHT = (THINKING, TOKENS_IN_FLIGHT, BUDGETS_IN_FLIGHT)


def _make(metric: Metric, registry: CollectorRegistry) -> MetricWrapperBase:
    if metric.type == "histogram":
        return Histogram(metric.name, metric.help, metric.labels, buckets=metric.buckets, registry=registry)
    if metric.type == "counter":
        return Counter(metric.name, metric.help, metric.labels, registry=registry)
    return Gauge(
        metric.name, metric.help, metric.labels, registry=registry, multiprocess_mode=metric.of_processes
    )
