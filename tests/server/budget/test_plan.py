"""What stands of a mark at the end of a prompt."""

import pytest

from server.budget.plan import Opening, Plan
from server.budget.text_marks import TextMark, TextMarks

KIMI = TextMarks(
    *(TextMark.of_vocabulary(mark, {n: bytes([n]) for n in range(256)}) for mark in ("◁think▷", "◁/think▷"))
)


@pytest.mark.parametrize(
    ("prompt", "begun"),
    [("x◁/th".encode(), "◁/th"), ("x◁".encode()[:2], ""), ("◁/think▷".encode()[:-1], "◁/think")],
)
def test_half_a_character_of_a_delimiter_is_no_text_yet(prompt: bytes, begun: str) -> None:
    plan = Plan(Opening.OPEN, (1,), (2,), False, (), text=KIMI, before=KIMI.begun(list(prompt)))
    assert plan.begun_end == begun
