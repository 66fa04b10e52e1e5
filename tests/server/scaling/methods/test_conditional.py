"""Conditional control asks once, in the paper's words."""

import pytest

from server.scaling.methods.conditional import (
    ClassFields,
    StepFields,
    TokenFields,
    class_conditional,
    step_conditional,
    token_conditional,
)
from server.scaling.methods.table import METHODS
from tests.server.scaling.scripted import answers, context


async def test_each_asks_once_in_the_papers_words() -> None:
    asked = []
    for run, fields in (
        (token_conditional, TokenFields(tokens=2048)),
        (step_conditional, StepFields(steps=64)),
        (class_conditional, ClassFields(length="short")),
        (class_conditional, ClassFields(length="long")),
    ):
        source = answers("5")
        outcome = await run(fields, context(source))  # type: ignore[arg-type]
        asked += [ask.words for ask in source.asks]
        assert outcome.report == {"words": source.asks[0].words}
    assert asked == [
        "Think for up to 2048 tokens.",
        "Think for up to 64 steps.",
        "Answer after a short amount of thinking. Do not spend excessive time double-checking your work.",
        "Answer after a long amount of thinking. If you feel like you are finished early, spend the extra "
        "time trying to double-check your work until you are absolutely sure that you have the correct "
        "answer.",
    ]


@pytest.mark.parametrize("name", ["token_conditional", "step_conditional", "class_conditional"])
def test_one_sample_needs_no_temperature(name: str) -> None:
    assert not METHODS[name].draws
