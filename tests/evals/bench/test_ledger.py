"""Sums of responses are held against the server's counts, and what did not get its response is a failure."""

from typing import Any

import pytest

from evals.bench.ledger import GENERATED, Ledger, totals
from evals.bench.mix import Outcome

METRICS = """
# TYPE s1_thinking_tokens counter
s1_thinking_tokens_total{model="a",family="f"} 5.0
s1_thinking_tokens_total{model="b",family="f"} 7.0
# TYPE s1_requests_thinking gauge
s1_requests_thinking{model="a",family="f"} 1.0
"""


def report(tokens: int, forced: int = 0, waits: int = 0) -> dict[str, Any]:
    return {"tokens": tokens, "forced_tokens": forced, "waits_used": waits}


def line(end: str, **more: Any) -> dict[str, Any]:
    counts = {"thinking_tokens": 3, "answer_tokens": 2, "forced_tokens": 1, "waits_used": 1}
    return {"end": end, **counts, **more}


def test_metrics_are_summed_over_their_labels() -> None:
    assert totals(METRICS) == {"s1_thinking_tokens_total": 12, "s1_requests_thinking": 1}


def test_sums_are_of_reports_of_samples_and_of_the_lines_that_no_response_says() -> None:
    ledger = Ledger()
    ledger.add(
        Outcome("chat", choices=2, status=200, reports=[report(4, 1), report(6, 2, 1)], output_tokens=15)
    )
    ledger.add(Outcome("sampled", choices=3, status=200, output_tokens=30, sampled_tokens=20))
    ledger.add(Outcome("leave", choices=2))
    ledger.add(Outcome("mistake", status=400, is_refused=True))
    ledger.add_lines([line("natural"), line("natural", key="sampling"), line("aborted")], "sampling")
    assert ledger.failed == 0
    assert ledger.sums == {
        "s1_requests_total": 6,
        "s1_thinking_tokens_total": 33,
        "s1_answer_tokens_total": 17,
        "s1_forced_tokens_total": 5,
        "s1_waits_total": 3,
        "s1_budgets_refused_total": 1,
        GENERATED: 50,
    }
    compared = ledger.compare({"s1_waits_total": 2}, {"s1_waits_total": 4, GENERATED: 50})
    assert compared["s1_waits_total"] == {"responses": 3, "metrics": 2}
    assert compared[GENERATED] == {"responses": 50, "metrics": 50}


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome("chat", choices=2, status=200, reports=[report(4)], output_tokens=4),
        Outcome("chat", choices=1, status=500),
        Outcome("messages stream", choices=1, status=200),
        Outcome("mistake", status=500),
        Outcome("mistake", status=200),
    ],
    ids=lambda outcome: f"{outcome.kind} {outcome.status}",
)
def test_response_that_lacks_a_choice_or_has_another_status_is_a_failure(outcome: Outcome) -> None:
    ledger = Ledger()
    ledger.add(outcome)
    assert ledger.failed == len(ledger.failures) == 1
    assert outcome.kind in ledger.failures[0]


def test_choice_that_ended_in_an_error_is_a_failure() -> None:
    ledger = Ledger()
    ledger.add_lines([line("error"), line("natural")], "sampling")
    assert ledger.failed == 1
