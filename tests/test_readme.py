"""The README names only what is there."""

import re
import tomllib
from pathlib import Path

import pytest

from server.budget.parsing.defaults import EFFORTS
from server.budget.parsing.read import describe_spellings
from server.reasoning.families import FAMILIES
from server.scaling.methods.table import METHODS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
CODE = "\n".join(re.findall(r"`[^`\n]+`|^    .+$|^```.*?^```", README, re.MULTILINE | re.DOTALL))
LINKS = re.findall(r"\]\(([^)#]+)\)", README)


@pytest.mark.parametrize(
    "path",
    sorted({*re.findall(r"\b(?:server|curation|training|evals|tests|docker)/[\w./-]*", README), *LINKS}),
)
def test_path_exists(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\bmake (\w+)", CODE))))
def test_make_target_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("command", sorted(set(re.findall(r"\bs1-(?:serve|eval|train|curate)\b", CODE))))
def test_command_exists(command: str) -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    module = scripts[command].partition(":")[0].replace(".", "/") + ".py"
    assert (ROOT / module).exists()


def test_every_spelling_is_named() -> None:
    missing = [name for name, _ in describe_spellings() if f"`{name}`" not in README]
    assert missing == []


def test_every_effort_and_family_is_named() -> None:
    assert all(
        f"`{word}` {tokens if tokens >= 0 else 'unlimited'}" in README for word, tokens in EFFORTS.items()
    )
    assert all(f"`{name}`" in README for name in FAMILIES)


def test_every_method_of_scaling_is_named_with_its_fields() -> None:
    text = (ROOT / "server" / "scaling" / "README.md").read_text()
    for name, method in METHODS.items():
        assert f"`{name}`" in text
        for field in method.fields.model_fields:
            assert f"`{field}`" in text, f"{name}: {field}"
