"""What a page of documentation names is there: paths, links, headings, commands. The front page is short."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FRONT = (ROOT / "README.md").read_text(encoding="utf-8")
FOLDERS = ("server", "curation", "training", "evals", "docker")
PAGES = [
    page
    for pattern in ("*.md", *(f"{folder}/**/*.md" for folder in FOLDERS))
    for page in sorted(ROOT.glob(pattern))
    if "results" not in page.relative_to(ROOT).parts
]
"""All but those that a command writes."""
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PATH = r"\b(?:server|curation|training|evals|tests|docker)/[\w./-]*[\w/]"


def everywhere(pattern: str) -> list[tuple[str, str]]:
    """(page, what the pattern finds there), each once."""
    return [
        (str(page.relative_to(ROOT)), found)
        for page in PAGES
        for found in sorted(set(re.findall(pattern, page.read_text(encoding="utf-8"), re.MULTILINE)))
    ]


def anchors(page: Path) -> set[str]:
    """The headings' names in links, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


@pytest.mark.parametrize(("page", "target"), everywhere(r"\]\(((?!http)[^)]+)\)"))
def test_every_link_leads_somewhere(page: str, target: str) -> None:
    path, _, anchor = target.partition("#")
    there = (ROOT / page).parent / path if path else ROOT / page
    assert there.exists(), f"{page} links to {target}: no such file"
    if anchor:
        assert anchor in anchors(there), f"{page} links to {target}: {there.name} has no such heading"


@pytest.mark.parametrize(("page", "path"), everywhere(PATH))
def test_every_path_exists(page: str, path: str) -> None:
    named = path if "NAME" not in path else str(Path(path).parent)  # a file that is to be added
    assert (ROOT / named).exists(), f"{page} names {path}: no such file"


@pytest.mark.parametrize(("page", "target"), everywhere(r"(?:`|^    |: )make ([a-z-]+)"))
def test_every_make_target_exists(page: str, target: str) -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{page}: the Makefile has no {target}"


@pytest.mark.parametrize(("page", "command"), everywhere(r"\bs1-(?:serve|eval|train|curate)\b"))
def test_every_command_is_installed(page: str, command: str) -> None:
    module = PROJECT["scripts"][command].partition(":")[0].replace(".", "/") + ".py"
    assert (ROOT / module).exists(), f"{page}: {command}"


@pytest.mark.parametrize(
    ("page", "module"), everywhere(r"python -m ((?:server|curation|training|evals)[\w.]*)")
)
def test_every_module_that_is_to_be_started_exists(page: str, module: str) -> None:
    path = ROOT / module.replace(".", "/")
    assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), f"{page}: python -m {module}"


def test_the_front_page_has_at_most_150_lines() -> None:
    assert len(FRONT.splitlines()) <= 150


def test_its_first_20_lines_say_what_it_was_tested_on_and_how_to_install_it() -> None:
    first = "\n".join(FRONT.splitlines()[:20])
    (engine,) = PROJECT["optional-dependencies"]["cpu"]
    name, version = engine.split("==")
    for needed in (f"vLLM {version}", f"`{name}`", "GPU", "make serve", ".[cuda]"):
        assert needed in first, f"README.md, lines 1 to 20: no {needed}"
