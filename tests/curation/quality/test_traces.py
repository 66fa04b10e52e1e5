"""Traces that teach nothing or the wrong thing."""

import pytest

from curation.quality import garbled, traces
from curation.row import Row
from curation.run.stage import EachRow
from tests.curation.rows import a_row

RULES = EachRow(
    (
        traces.no_trace,
        traces.empty_thinking,
        traces.truncated,
        traces.unclosed_thinking,
        traces.marks_inside,
        traces.looping,
        garbled.garbled,
    )
)
GOOD = "One and one are two, as everybody knows."

CASES = [
    (a_row(thinking=GOOD), None),
    (a_row(), "no_trace"),
    (a_row(thinking=" \n"), "empty_thinking"),
    (a_row(thinking=GOOD, finish_reason="length"), "truncated"),
    (a_row(thinking=GOOD, said=" "), "unclosed_thinking"),
    (a_row(thinking="Hm.</think> 2 <think> So."), "marks_inside"),
    (a_row(thinking=GOOD, said="2<|im_end|>"), "marks_inside"),
    (a_row(thinking=GOOD + "\nWait, so it is two. Let me check that once more." * 10), "looping_end"),
    (a_row(thinking="caf\ufffd"), "garbled"),
    (a_row(thinking="cafÃ©"), "garbled"),
    (a_row(thinking="it\u00e2\u20ac\u2122s two"), "garbled"),
    (a_row(thinking="a\x00b"), "garbled"),
    (a_row(thinking="".join(str(at) for at in range(400))), "garbled"),
    (a_row("What is \ue000?", thinking=GOOD), "garbled"),
    (a_row(thinking="Ça va: l'été, naïve façade, 日本語, ∀ε>0 ∃δ, 5 Å, Â"), None),
    (a_row(thinking="tab\tand\npage\x0cbreak"), None),
]


@pytest.mark.parametrize(("row", "reason"), CASES)
def test_a_rule_of_traces(row: Row, reason: str | None) -> None:
    fault = RULES.fault(row)
    assert (fault.reason if fault else None) == reason


@pytest.mark.parametrize(
    ("correct", "reason"), [(True, None), (False, "wrong_answer"), (None, "ungraded_trace")]
)
def test_only_right_traces_pass_where_that_is_asked_for(correct: bool | None, reason: str | None) -> None:
    fault = traces.not_right(a_row(thinking=GOOD, correct=correct))
    assert (fault.reason if fault else None) == reason
