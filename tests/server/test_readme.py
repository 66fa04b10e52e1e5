"""server/README.md has a row for every field, spelling, effort, family, flag, end and metric that there is.

A failure names what is missing and the file to edit.
"""

import re
from collections.abc import Collection
from dataclasses import fields
from pathlib import Path

import pytest

from server.budget.parsing.defaults import EFFORTS
from server.budget.parsing.read import describe_spellings
from server.budget.running.report import ThinkingReport
from server.observability.metrics import METRICS
from server.observability.record import ENDS, KINDS
from server.reasoning.families import FAMILIES
from server.settings import Settings

PAGE = "server/README.md"
README = (Path(__file__).parents[2] / PAGE).read_text(encoding="utf-8")


def section(heading: str) -> str:
    """The text under a heading of the second level."""
    (text,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    return str(text)


def named_in_first_column(heading: str) -> list[str]:
    """The names of the table's rows, without a metavar."""
    cells = re.findall(r"^\| (`[^|]*) \|", section(heading), re.MULTILINE)
    return [name.split()[0] for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def assert_same(heading: str, there: Collection[str], what: str) -> None:
    """The table has a row for each and no other."""
    told = named_in_first_column(heading)
    assert sorted(set(there) - set(told)) == [], f"{PAGE}, {heading}: no row for these {what}"
    assert sorted(set(told) - set(there)) == [], f"{PAGE}, {heading}: rows for {what} that do not exist"


def test_every_field_of_a_budget_has_a_row() -> None:
    names = [name for name, _ in describe_spellings()]
    ours = {name.removeprefix("thinking_budget.") for name in names if name.startswith("thinking_budget.")}
    assert_same("The budget", ours, "fields of thinking_budget")


def test_every_field_of_the_report_has_a_row() -> None:
    told = {each.name for each in fields(ThinkingReport)} - {"in_tokens"}
    in_tokens = {"forced_token_spans", "answer_token_at"}
    assert_same("The report", told | in_tokens, "fields of the report")


def test_every_end_is_explained() -> None:
    (row,) = (line for line in section("The report").splitlines() if line.startswith("| `end` |"))
    missing = [end for end in ENDS if f"`{end}`" not in row and end not in ("aborted", "none")]
    assert missing == [], f"{PAGE}, The report: the row of `end` lacks these"


def test_every_spelling_is_named() -> None:
    text = section("Every spelling")
    missing = [name for name, _ in describe_spellings() if f"`{name}`" not in text]
    assert missing == [], f"{PAGE}, Every spelling: no mention of these"


def test_every_effort_is_named_with_its_tokens() -> None:
    told = {f"`{word}` {tokens if tokens >= 0 else 'unlimited'}" for word, tokens in EFFORTS.items()}
    missing = [each for each in sorted(told) if each not in README]
    assert missing == [], f"{PAGE}, Every spelling: no mention of these efforts"


def test_every_family_is_named() -> None:
    missing = [name for name in FAMILIES if f"`{name}`" not in section("Families")]
    assert missing == [], f"{PAGE}, Families: no mention of these rows of FAMILIES"


def test_every_flag_has_a_row() -> None:
    assert_same("Flags", {"--" + each.name.replace("_", "-") for each in fields(Settings)}, "flags")


def test_every_metric_has_a_row_with_its_type_and_labels() -> None:
    rows = re.findall(r"^\| `(s1_\w+)` \| (\w+) \| ([^|]*) \|", section("Metrics and logs"), re.MULTILINE)
    told = {name: (kind, labels) for name, kind, labels in rows}
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels) or "none"
        row = f"| `{metric.name}` | {metric.type} | {labels} |"
        assert told.pop(metric.name, None) == (metric.type, labels), f"{PAGE}, Metrics and logs: no row {row}"
    assert told == {}, f"{PAGE}, Metrics and logs: rows for metrics that do not exist"


@pytest.mark.parametrize(("name", "values"), [("s1_requests_total", ENDS), ("s1_forced_tokens_total", KINDS)])
def test_every_value_of_a_label_is_named(name: str, values: tuple[str, ...]) -> None:
    (row,) = (line for line in README.splitlines() if line.startswith(f"| `{name}` |"))
    missing = [value for value in values if f"`{value}`" not in row]
    assert missing == [], f"{PAGE}, Metrics and logs: the row of {name} lacks these"


def test_the_front_pages_fields_are_fields() -> None:
    front = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `(\w+)` \|", front, re.MULTILINE)
    assert told
    unknown = [name for name in told if name not in named_in_first_column("The budget")]
    assert unknown == [], "README.md: rows for fields that do not exist"
