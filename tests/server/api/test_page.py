"""The page as it is served: whole, without anything from outside, in colours that can be read."""

import re
from itertools import islice
from pathlib import Path

import httpx
import pytest

from server.api.page import FOLDER
from server.reasoning.ends import End
from server.reasoning.nano.problems import DOMAINS, problems, split_of

PROGRAM = "\n".join(path.read_text() for path in sorted(FOLDER.glob("*.js")))
STYLE = (FOLDER / "page.css").read_text()
WRITES_MARKUP = r"(inner|outer|set)HTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser"


def test_page_comes_with_a_policy_that_lets_nothing_in_or_out(server_url: str) -> None:
    response = httpx.get(server_url)
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    parts = response.headers["content-security-policy"].split(";")
    policy = dict(part.strip().split(" ", 1) for part in parts)
    assert policy["default-src"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "img-src", "connect-src")} == {"'self'"}
    assert {policy[name] for name in ("base-uri", "form-action", "frame-ancestors")} == {"'none'"}
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", [each for each in sorted(FOLDER.iterdir()) if each.suffix != ".png"], ids=lambda path: path.name
)
def test_every_file_is_served_and_asked_for_anew(server_url: str, path: Path) -> None:
    kinds = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html"}
    response = httpx.get(f"{server_url}/page/{path.name}")
    assert response.content == path.read_bytes()
    assert response.headers["content-type"].startswith(kinds[path.suffix])
    again = httpx.get(f"{server_url}/page/{path.name}", headers={"if-none-match": response.headers["etag"]})
    assert (again.status_code, again.headers["cache-control"]) == (304, "no-cache")


@pytest.mark.parametrize("path", ["../settings.py", "..%2fsettings.py", "", "nothing.js"])
def test_nothing_else_is_served(server_url: str, path: str) -> None:
    assert httpx.get(f"{server_url}/page/{path}").status_code == 404


def test_page_names_no_address_but_its_own_and_what_it_names_is_there() -> None:
    index = (FOLDER / "index.html").read_text()
    named = re.findall(r'(?:src|href)="([^"#]+)"', index) + re.findall(r'from "\./([^"]+)"', PROGRAM)
    assert len(named) > 10
    assert all((FOLDER / name.removeprefix("page/")).is_file() for name in named)
    text = PROGRAM + STYLE + (FOLDER / "lane.css").read_text() + index
    assert re.findall(r"(?:https?:)?//[\w.-]+\.\w+|\burl\(|@import", text) == []
    assert re.findall(r"\sstyle=|<style|\son\w+=|<script>", index) == []


def test_text_is_never_taken_for_markup() -> None:
    assert re.findall(WRITES_MARKUP, PROGRAM) == []


def test_examples_of_s1_nano_are_held_out_and_their_answers_right() -> None:
    table = PROGRAM[PROGRAM.index("const NANO") : PROGRAM.index("const ANY")]
    examples = dict(re.findall(r'question: "([^"]+)", answer: (\d+)', table))
    assert len(examples) == len(DOMAINS)
    drawn = {each.question: each for each in islice(problems("test", 500, 7), 500)}
    for question, answer in examples.items():
        assert drawn[question].answer == answer
        assert split_of(drawn[question]) == "test"


def test_page_has_words_for_every_end_of_thinking() -> None:
    table = PROGRAM[PROGRAM.index("const ENDS") :]
    said = re.findall(r"^  (\w+): \"", table[: table.index("};")], re.MULTILINE)
    assert sorted(said) == sorted(end.value for end in End)


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("front", "back", "least"),
    [
        *((front, back, 4.5) for front in ("text", "quiet") for back in ("ground", "surface", "sunken")),
        *((front, "surface", 4.5) for front in ("good", "bad", "accent")),
        ("accent-text", "accent", 4.5),
        ("forced-text", "forced", 4.5),
        ("bad", "bad-soft", 4.5),
        ("text", "accent-soft", 4.5),
        *((front, "surface", 3.0) for front in ("edge", "forced-line", "fill", "fill-good", "fill-closed")),
        *((front, "sunken", 3.0) for front in ("fill", "fill-good", "fill-closed")),
    ],
)
def test_colours_have_the_contrast_of_wcag_aa(scheme: str, front: str, back: str, least: float) -> None:
    light, dark = STYLE.split("prefers-color-scheme: dark")
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", light if scheme == "light" else dark))
    one, other = sorted((luminance(colours[front]), luminance(colours[back])), reverse=True)
    assert (one + 0.05) / (other + 0.05) >= least
