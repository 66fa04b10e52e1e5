"""The page in a real Chromium, from disk: what is listed, filtered and opened is what the results say."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from evals.__main__ import main
from evals.methods import NATURAL
from evals.report.read import ReportError
from evals.row import ResultRow
from evals.view import write
from evals.view.write import ViewError, view
from tests.browser import browser as browser
from tests.evals.report.test_report import arm, cell_of, row, store

HOSTILE = "</script><img src=x onerror=\"document.title='owned'\">{{index}}"
THINKING = "🙂 Wait, no."
SPANS = [{"kind": "nudge", "part": "thinking", "start": 2, "end": 6}]


def results(out: Path) -> Path:
    """Three problems under two arms: the first both solve, the second one, the third is cut in one."""
    answer = "So.\n\nFinal Answer: 7"
    first, second, third = (
        replace(row(n, True, 50 + n), prompt=HOSTILE, thinking=THINKING, answer=answer, reference="7")
        for n in range(3)
    )
    first = replace(first, extracted="7", extracted_from="Final Answer: 7")
    forced = replace(first, echo={"forced_spans": SPANS})
    rows: Mapping[str, Sequence[ResultRow]] = {
        "none": [first, replace(second, score=0.0), third],
        "waits": [forced, second, replace(third, score=0.0, finish_reason="length", extracted=None)],
    }
    return store(out, {cell_of(NATURAL): rows["none"], cell_of(arm("waits", "1")): rows["waits"]})


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Whatever the page complains of, or asks of anything but the disk, is a failure."""
    faults: list[str] = []
    with browser.new_context() as context:
        opened = context.new_page()
        opened.on("pageerror", lambda error: faults.append(str(error)))
        opened.on("console", lambda said: faults.append(said.text))
        opened.on("request", lambda asked: faults.append(asked.url) if "file://" not in asked.url else None)
        yield opened
        assert opened.title() != "owned"
    assert faults == []


def listed(page: Page) -> list[str]:
    return page.locator("#body button").all_text_contents()


@pytest.mark.slow
def test_what_is_listed_filtered_and_opened_is_what_the_results_say(page: Page, tmp_path: Path) -> None:
    [path] = view([results(tmp_path / "run")], tmp_path / "out" / "view.html")
    page.goto(path.as_uri())
    assert listed(page) == ["p0", "p1", "p2"]
    for state, ids in {
        "disagree": ["p1", "p2"],
        "cut": ["p2"],
        "none": ["p2"],
        "right": ["p0"],
        "failed": [],
    }.items():
        page.select_option("#state", state)
        assert listed(page) == ids, state
    page.select_option("#state", "all")
    page.locator("#columns input").nth(1).uncheck()
    page.select_option("#state", "wrong")
    assert listed(page) == ["p1"]
    page.locator("#columns input").nth(1).check()
    page.select_option("#state", "all")
    page.fill("#text", "p0")
    page.click("#body tr")
    replies = page.locator("article")
    expect(replies).to_have_count(2)
    expect(page.locator("#opened > pre").first).to_have_text(HOSTILE)
    expect(replies.nth(0).locator("mark.from")).to_have_text("Final Answer: 7")
    expect(replies.nth(1).locator("mark.nudge")).to_have_text("Wait")
    expect(replies.nth(1).locator("pre").first).to_have_text(THINKING)


@pytest.mark.slow
def test_large_results_are_split_into_files_that_link_to_each_other(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "MAX_PAGE_BYTES", 400)
    paths = view([results(tmp_path / "run")], tmp_path / "my view.html")
    assert [path.name for path in paths] == ["my view.html", "my view-2.html", "my view-3.html"]
    page.goto(paths[0].as_uri())
    expect(page.locator("#count")).to_have_text("1 of 1 problems; 3 in all files")
    page.click("text=file 3")
    assert listed(page) == ["p2"]
    page.click("#body tr")
    expect(page.locator("article")).to_have_count(2)


def test_command_writes_into_the_folder_of_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = results(tmp_path / "run")
    assert main(["view", str(out)]) == 0
    assert capsys.readouterr().out == f"{out / 'view.html'}\n"
    page = (out / "view.html").read_text()
    assert HOSTILE not in page
    assert page.count("</script>") == 3


def test_what_cannot_be_read_or_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="no manifest"):
        view([tmp_path], tmp_path / "view.html")
    (tmp_path / "file").touch()
    with pytest.raises(ViewError, match="file"):
        view([results(tmp_path / "run")], tmp_path / "file" / "view.html")
