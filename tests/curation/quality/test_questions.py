"""The string rules of the paper, each by its own example and the nearest thing that it must let pass."""

import pytest

from curation.quality import questions
from curation.run.stage import EachRow
from tests.curation.rows import a_row

RULES = EachRow(
    (
        questions.no_reference,
        questions.drawn,
        questions.pictured,
        questions.numbered_part,
        questions.bold_number,
    )
)

CASES = [
    ("Find it. [asy] draw((0,0)--(1,1)); [/asy]", "drawing"),
    ("Look at ![Image] and say.", "picture"),
    ("Look. ![](https://example.org/1.jpg)", "picture"),
    ("p1. Find x.", "numbered_part"),
    ("Do p999. and no more", "numbered_part"),
    ("p0. Find x.", None),
    ("p1000. Find x.", None),
    ("p1, p2: find x.", None),
    ("**p2** Find x.", "bold_number"),
    ("**2.** Find x.", "bold_number"),
    ("**Find** x, with 3 y.", "bold_number"),
    ("**Find** x.", None),
    ("**Find the** 3.", None),
    ("What is $2**3$?", None),
]


@pytest.mark.parametrize(("question", "reason"), CASES)
def test_a_string_rule(question: str, reason: str | None) -> None:
    fault = RULES.fault(a_row(question))
    assert (fault.reason if fault else None) == reason


def test_aime_keeps_its_drawings() -> None:
    assert RULES.fault(a_row("Find it. [asy] draw(); [/asy]", source="aime")) is None


def test_the_numbered_parts_are_those_of_the_original_loop() -> None:
    for at in range(1500):
        text = f"see p{at}. there"
        original = any(f"p{i}." in text for i in range(1, 1000))
        assert (questions.numbered_part(a_row(text)) is not None) == original


def test_a_row_without_answer_and_solution_has_no_reference() -> None:
    fault = RULES.fault(a_row(answer="", solution=" "))
    assert fault is not None
    assert fault.reason == "no_reference"
    assert RULES.fault(a_row(answer="", solution="Clear.")) is None
