"""server/scaling/README.md names every method with its fields."""

from pathlib import Path

import pytest

from server.scaling.methods.table import METHODS

PAGE = "server/scaling/README.md"


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_named_with_its_fields(name: str) -> None:
    text = (Path(__file__).parents[3] / PAGE).read_text(encoding="utf-8")
    missing = [each for each in (name, *METHODS[name].fields.model_fields) if f"`{each}`" not in text]
    assert missing == [], f"{PAGE}: no mention of these of the method {name}"
