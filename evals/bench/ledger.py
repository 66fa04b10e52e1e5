"""What all responses said, summed up, and what the server counted meanwhile: they are to be equal."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from evals.bench.mix import Outcome

GAUGES = (
    "s1_requests_thinking",
    "s1_in_flight_thinking_tokens",
    "s1_in_flight_budget_tokens",
    "vllm:num_requests_running",
    "vllm:num_requests_waiting",
)
GENERATED = "vllm:generation_tokens_total"
SHOWN = 20
"""So many failures are kept in words."""


def totals(metrics: str) -> Counter[str]:
    """Name of a sample to its value, over all labels, from the text of /metrics."""
    sums: Counter[str] = Counter()
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            sums[sample.name] += int(sample.value) if sample.value == int(sample.value) else 0
    return sums


@dataclass(slots=True)
class Ledger:
    """`add` every outcome, `add_lines` once."""

    sums: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    failures: list[str] = field(default_factory=list)
    """The first of them."""

    def add(self, outcome: Outcome) -> None:
        """Of one request. A response that misses a choice is a failure."""
        self.kinds[outcome.kind] += 1
        self.statuses[str(outcome.status)] += 1
        if outcome.is_refused:
            self.sums["s1_budgets_refused_total"] += 1
        if outcome.kind == "mistake":
            if outcome.status not in (400, 404):
                self.fail(outcome.kind, f"status {outcome.status}")
            return
        if outcome.kind == "leave":
            return
        sampled = outcome.sampled_tokens
        got = len(outcome.reports) if sampled is None else outcome.choices
        if got != outcome.choices or outcome.status not in (200, 429):
            self.fail(outcome.kind, f"status {outcome.status}, {got} of {outcome.choices} choices")
        thinking = sum(report["tokens"] for report in outcome.reports) if sampled is None else sampled
        self._count(
            choices=outcome.choices,
            thinking=thinking,
            answer=outcome.output_tokens - thinking,
            forced=sum(report["forced_tokens"] for report in outcome.reports),
            waits=sum(report["waits_used"] for report in outcome.reports),
        )

    def fail(self, kind: str, why: str) -> None:
        """Note a request that did not get what it should."""
        self.failed += 1
        if len(self.failures) < SHOWN:
            self.failures.append(f"{kind}: {why}")

    def add_lines(self, lines: Iterable[Mapping[str, Any]], sampling_key: str) -> None:
        """Of the log, what no response says: clients that left, and what was forced in samples."""
        for line in lines:
            if line["end"] == "aborted":
                self._count(
                    choices=1,
                    thinking=line["thinking_tokens"],
                    answer=line["answer_tokens"],
                    forced=line["forced_tokens"],
                    waits=line["waits_used"],
                )
            elif line.get("key") == sampling_key:
                self._count(forced=line["forced_tokens"], waits=line["waits_used"])
            if line["end"] == "error":
                self.fail("log", json.dumps(line)[:300])

    def _count(
        self, choices: int = 0, thinking: int = 0, answer: int = 0, forced: int = 0, waits: int = 0
    ) -> None:
        self.sums["s1_requests_total"] += choices
        self.sums["s1_thinking_tokens_total"] += thinking
        self.sums["s1_answer_tokens_total"] += answer
        self.sums["s1_forced_tokens_total"] += forced
        self.sums["s1_waits_total"] += waits
        self.sums[GENERATED] += thinking + answer

    def compare(self, before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, dict[str, int]]:
        """By metric: what the responses said, and by how much the server's count grew."""
        return {
            name: {"responses": said, "metrics": after.get(name, 0) - before.get(name, 0)}
            for name, said in sorted(self.sums.items())
        }
