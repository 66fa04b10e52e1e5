"""The budget in a model's name, and the names that only look as if they held one."""

import pytest

from server.budget.budget import ThinkingBudget
from tests.server.budget.parsing.bodies import read, refused


def test_the_suffix_is_read_and_taken_off_the_model() -> None:
    got = read({"model": "org/s1:8b:think=200,min=50,waits=2,nudge=Hm,effort=low"})
    assert got.budget == ThinkingBudget(max_tokens=200, min_tokens=50, num_waits=2, nudge=("Hm",))
    assert got.body["model"] == "org/s1:8b"
    assert got.source == "model:think"


def test_the_suffix_begins_at_the_first_colon_that_a_key_follows() -> None:
    got = read({"model": "qwen3:8b:waits=1,nudge=so:x=1"})
    assert (got.body["model"], got.budget.nudge) == ("qwen3:8b", ("so:x=1",))


@pytest.mark.parametrize(
    "model",
    [
        "s1-nano",
        "qwen3:8b",
        "org/name",
        "/models/lr=3/x",
        "a:b:c",
        "m:",
        "",
        ":think=2",
        "m:8b,think=2",
        None,
        5,
    ],
)
def test_a_model_without_a_suffix_passes_unchanged(model: object) -> None:
    got = read({"model": model})
    assert (got.body, got.asked) == ({"model": model}, False)


@pytest.mark.parametrize(
    ("suffix", "named"),
    [
        ("thinking=200", "thinking=200"),
        ("think=200,fast", "fast"),
        ("think=200,", '""'),
        ("think=200,think=200", "think"),
        ("think=200,max=300", "model:max"),
        ("min=300,max=200", "model:min"),
        ("waits=two", "model:waits"),
        ("think=99999999999999999999", "model:think"),
    ],
)
def test_a_mistake_in_the_suffix_is_named(suffix: str, named: str) -> None:
    error = refused({"model": f"s1-nano:{suffix}"})
    assert error.field.startswith("model")
    assert named in str(error)
