"""What a right answer costs, how long right and wrong thinking was, and accuracy by domain and level."""

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from evals.methods import NATURAL
from evals.report import report
from evals.report.measured import groups_of
from evals.report.read import read_runs
from tests.evals.report.test_report import cell_of, row, store


def test_the_smallest_of_many_domains_stand_together(tmp_path: Path) -> None:
    # 13 domains of 20 problems: the first seven have two each.
    rows = [replace(row(n, n % 13 == 12, 50), domain=f"d{n % 13}") for n in range(20)]
    [group] = groups_of(read_runs(store(tmp_path / "out", {cell_of(NATURAL): rows})))
    assert [*group.arms[0].domains] == [*(f"d{n}" for n in range(11)), "others"]
    assert group.arms[0].domains["others"] == 50.0
    assert f"| arm | {' | '.join(f'd{n}' for n in range(11))} | others |" in report(tmp_path / "out")


def test_levels_have_a_table_of_their_own_in_their_order(tmp_path: Path) -> None:
    rows = [replace(row(n, n % 5 < 2, 50), level=str(10 - n % 5)) for n in range(20)]
    text = report(store(tmp_path / "out", {cell_of(NATURAL): rows}))
    assert "Accuracy by level, %.\n\n| arm | 6 | 7 | 8 | 9 | 10 |" in text
    assert "| none | 0.0 | 0.0 | 0.0 | 100.0 | 100.0 |" in text
    assert "Accuracy by domain, %.\n\n| arm | a | b |" in text


def test_a_right_answer_costs_all_that_was_written_and_waited_for(tmp_path: Path) -> None:
    rows = [
        *(row(n, n < 5, 50, answer_tokens=10, latency_s=2.0) for n in range(10)),
        *(row(n, False, 50, written_tokens=200, tries=3, latency_s=2.0, spent_s=7.0) for n in range(10, 19)),
        replace(row(19, False, 50, written_tokens=None, latency_s=None), score=None, error="no reply"),
    ]
    [group] = groups_of(read_runs(store(tmp_path / "out", {cell_of(NATURAL): rows})))
    [one] = group.arms
    assert (one.tokens_per_right, one.seconds_per_right) == ((600 + 1800) / 5, (20 + 63) / 5)
    assert (one.billed_tokens, one.seconds) == ((600 + 1800) / 19, (20 + 63) / 19)
    assert "| none | 126.3 | 4.37 | 480.0 | 16.60 | 50.0 | 50.0 |" in report(tmp_path / "out")


@pytest.mark.parametrize(
    "more", [{"written_tokens": None, "answer_tokens": None}, {"tries": 2}, {"latency_s": None}]
)
def test_a_cost_that_was_not_told_for_every_reply_is_not_told(tmp_path: Path, more: dict[str, Any]) -> None:
    rows = [row(n, True, 50, **({"written_tokens": 60} | (more if n == 3 else {}))) for n in range(20)]
    [group] = groups_of(read_runs(store(tmp_path / "out", {cell_of(NATURAL): rows})))
    [one] = group.arms
    assert (one.tokens_per_right is None) == (one.billed_tokens is None) == ("written_tokens" in more)
    assert (one.seconds_per_right is None) == (one.seconds is None) == ("written_tokens" not in more)


def test_an_arm_without_a_right_answer_has_no_cost(tmp_path: Path) -> None:
    rows = [row(n, False, 50, written_tokens=60) for n in range(20)]
    [group] = groups_of(read_runs(store(tmp_path / "out", {cell_of(NATURAL): rows})))
    assert group.arms[0].tokens_per_right is None


def test_right_and_wrong_thinking_have_their_histograms(tmp_path: Path) -> None:
    lengths = [0, 1, 2, 3, 5, 6, 47, 48, 63, 64]
    rows = [row(n, n % 2 == 0, lengths[n]) for n in range(10)]
    out = store(tmp_path / "out", {cell_of(NATURAL): rows})
    assert "| 5.0 | 6.0 |" in report(out)
    lines = list(csv.DictReader(io.StringIO((out / "lengths.csv").read_text())))
    found = {(line["from"], line["to"]): (line["right"], line["wrong"]) for line in lines}
    assert found == {
        **{("0", "0"): ("1", "0"), ("1", "1"): ("0", "1"), ("2", "2"): ("1", "0"), ("3", "3"): ("0", "1")},
        **{("4", "5"): ("1", "0"), ("6", "7"): ("0", "1"), ("8", "11"): ("0", "0")},
        **{("12", "15"): ("0", "0"), ("16", "23"): ("0", "0"), ("24", "31"): ("0", "0")},
        **{("32", "47"): ("1", "0"), ("48", "63"): ("1", "1"), ("64", "95"): ("0", "1")},
    }
    picture = ElementTree.parse(out / "lengths.svg")
    bars = [one.text for one in picture.iter("{http://www.w3.org/2000/svg}title")]
    assert bars.count("48 to 63 tokens: 1 right, 1 wrong") == 2
    assert len(bars) == 10  # a bar for each side of a bin that has replies
