"""The models that ship inside: their names, their files, and that the scorer has no family."""

import json
from argparse import Namespace

import pytest

from server.__main__ import EMBEDDED, _fill_in
from server.engine.launch.arguments import make_parser, parse
from server.engine.launch.find_family import find_family


def started(*flags: str) -> Namespace:
    return _fill_in(parse(make_parser("s1-serve", default_model="s1-nano"), flags))


@pytest.mark.parametrize(
    ("name", "architecture", "family"),
    [("s1-nano", "LlamaForCausalLM", "think"), ("s1-nano-scorer", "LlamaForSequenceClassification", None)],
)
def test_an_embedded_model_is_served_by_its_name(name: str, architecture: str, family: str | None) -> None:
    arguments = started("--model", name)
    assert arguments.model == str(EMBEDDED[name])
    assert arguments.served_model_name == [name]
    assert json.loads((EMBEDDED[name] / "config.json").read_text())["architectures"] == [architecture]
    assert sum(path.stat().st_size for path in EMBEDDED[name].iterdir()) < 8_000_000
    found, _ = find_family(None, arguments)
    assert (found.name if found else None) == family


def test_a_pooling_model_has_no_family_whatever_its_marks() -> None:
    found, how = find_family(None, started("--runner", "pooling"))
    assert found is None
    assert how.startswith("--runner pooling")
