"""The page in a real Chromium against the real server: what is seen is what the server says."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from tests.conftest import ServerProcess

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(600)]

QUESTION = "Find the smallest x with x mod 11 = 3 and x mod 20 = 1."
HOSTILE = "<img src=x onerror=\"document.title='owned'\">"


@pytest.fixture
def page(browser: Browser, server_url: str) -> Iterator[Page]:
    """The page, ready. Whatever it asks of another server, and whatever it complains of, is a failure."""
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        opened = context.new_page()
        faults = telemetry(opened, server_url)
        opened.goto(server_url)
        expect(opened.locator("#served")).to_have_attribute("data-state", "ready")
        yield opened
        assert faults == []


def telemetry(page: Page, url: str) -> list[str]:
    """Everything that goes wrong from now on; that a request was refused is no fault of the page."""
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda asked: faults.append(asked.url) if not asked.url.startswith(url) else None)
    page.on("console", lambda said: faults.append(said.text) if is_fault(said) else None)
    return faults


def is_fault(said: ConsoleMessage) -> bool:
    return said.type == "error" and "status of" not in said.text


def fulfil(page: Page, path: str, **response: Any) -> None:
    """What the page is to get, instead of what the server would say."""
    page.route(path, lambda route: route.fulfill(**response))


def fill(page: Page, **fields: object) -> None:
    for name, value in fields.items():
        page.fill(f"#{name}", str(value))


def ask(page: Page, **fields: object) -> None:
    """Fill in, ask, and wait for the end."""
    fill(page, **fields)
    page.click("#ask")
    expect(page.locator("#ask")).to_be_enabled(timeout=60_000)


def chat(url: str, budget: dict[str, Any], question: str = QUESTION) -> dict[str, Any]:
    """What the server says without a page."""
    body = {"model": "s1-nano", "temperature": 0, "messages": [{"role": "user", "content": question}]}
    response = httpx.post(f"{url}/v1/chat/completions", json={**body, "thinking_budget": budget}, timeout=60)
    choice: dict[str, Any] = response.json()["choices"][0]
    return choice


def texts(page: Page, selector: str) -> list[str]:
    return [text or "" for text in page.locator(selector).all_text_contents()]


# -- what is shown -------------------------------------------------------------------------------------------


def test_thinking_answer_and_forced_tokens_are_the_servers(page: Page, server_url: str) -> None:
    choice = chat(server_url, {"num_waits": 2, "max_tokens": 100, "detail": True})
    ask(page, waits=2, maximum=100)
    message, report = choice["message"], choice["thinking"]
    assert texts(page, ".thinking") == [message["reasoning"]]
    assert texts(page, ".answer") == [message["content"].lstrip()]
    parts = {"thinking": message["reasoning"], "answer": message["content"]}
    forced = [parts[span["part"]][span["start"] : span["end"]].strip() for span in report["forced_spans"]]
    assert texts(page, ".lane mark") == forced
    assert {"Wait", "Final Answer:"} == set(forced)
    assert texts(page, ".reason") == ["Closed at the maximum."]
    assert f"100 of 100 tokens · 2 Waits · {report['forced_tokens']} forced" in texts(page, ".count")[0]
    bar = page.get_by_role("progressbar")
    assert (bar.get_attribute("aria-valuenow"), bar.get_attribute("aria-valuemax")) == ("100", "100")


def test_wait_of_the_models_own_is_not_marked(page: Page) -> None:
    ask(page)
    assert "Wait" in texts(page, ".thinking")[0]
    assert page.locator(".lane mark").count() == 0
    assert texts(page, ".reason") == ["The model ended its thinking itself."]


def test_nudge_and_minimum_are_sent(page: Page) -> None:
    ask(page, minimum=150, nudge="Hmm")
    marks = texts(page, ".lane mark")
    assert marks
    assert set(marks) == {"Hmm"}
    assert int(texts(page, ".count")[0].split()[0]) >= 150


def test_bar_fills_while_thinking_goes_on_and_escape_stops_it(page: Page, server_url: str) -> None:
    fill(page, waits=500, minimum=1500)
    page.click("#ask")
    bar = page.get_by_role("progressbar")
    expect(bar).to_have_attribute("aria-valuetext", re.compile(r"^[1-9]\d+ tokens"))
    first = int(bar.get_attribute("aria-valuenow") or 0)
    expect(bar).not_to_have_attribute("aria-valuenow", str(first))
    assert int(bar.get_attribute("aria-valuenow") or 0) > first
    expect(page.locator(".lane")).to_have_attribute("data-state", "thinking")
    assert page.locator("#ask").is_disabled()
    page.keyboard.press("Escape")
    expect(page.locator(".lane")).to_have_attribute("data-state", "stopped")
    expect(page.locator("#ask")).to_be_enabled()
    gauge = re.compile(r"^vllm:num_requests_running\S* (\S+)$", re.MULTILINE)
    for _ in range(50):
        running = gauge.search(httpx.get(f"{server_url}/metrics").text)
        if running and float(running[1]) == 0:
            return
        page.wait_for_timeout(100)
    pytest.fail("the server went on with a request that nobody waits for")


def test_thinking_is_closed_at_once_when_the_answer_is_wanted_now(page: Page) -> None:
    fill(page, waits=500)
    page.click("#ask")
    expect(page.get_by_role("progressbar")).to_have_attribute(
        "aria-valuetext", re.compile(r"^[1-9]\d+ tokens")
    )
    page.get_by_role("button", name="Answer now").click()
    expect(page.locator(".lane")).to_have_attribute("data-state", "done")
    assert texts(page, ".reason") == ["Closed by you."]
    assert texts(page, ".answer mark") == ["Final Answer:"]
    assert page.locator(".now").is_hidden()


def test_budgets_stand_side_by_side_each_with_its_own_end(page: Page, server_url: str) -> None:
    page.get_by_text("Side by side").click()
    budgets: dict[str, dict[str, int]] = {
        "No thinking": {"max_tokens": 0},
        "At most 32": {"max_tokens": 32},
        "Unlimited": {},
        "At most 90, 2 Waits": {"max_tokens": 90, "num_waits": 2},
        "4 Waits": {"num_waits": 4},
    }
    ask(page, budgets="0, 32, unlimited, 90 + 2 Waits, 4 waits")
    assert texts(page, ".lane h2") == list(budgets)
    choices = [chat(server_url, budget) for budget in budgets.values()]
    assert texts(page, ".answer") == [choice["message"]["content"].lstrip() for choice in choices]
    counts = [int(count.split()[0]) for count in texts(page, ".count")]
    assert counts == [choice["thinking"]["tokens"] for choice in choices]
    assert [lane.get_attribute("data-end") for lane in page.locator(".lane").all()] == [
        choice["thinking"]["end"] for choice in choices
    ]
    rights = ["201" in choice["message"]["content"] for choice in choices]
    assert texts(page, ".verdict") == ["✓ right" if right else "✗ wrong" for right in rights]
    assert set(rights) == {True, False}


def test_preset_chosen_as_a_model_decides_what_is_not_asked(page: Page) -> None:
    page.get_by_label("Model").select_option("s1-nano:deep")
    ask(page)
    assert texts(page, ".lane h2") == ["No budget asked"]
    assert "2 Waits" in texts(page, ".count")[0] or texts(page, ".reason") == ["Closed at the maximum."]


def test_whatever_is_said_is_shown_as_text(page: Page) -> None:
    ask(page, nudge=HOSTILE, waits=1)
    assert HOSTILE in texts(page, ".thinking")[0]
    assert texts(page, ".lane mark") == [HOSTILE]
    assert page.locator(".lane img, .lane script").count() == 0
    assert page.title() == "s1-server: set how long it thinks"


# -- mistakes ------------------------------------------------------------------------------------------------


def test_servers_refusal_is_shown_in_its_words(page: Page) -> None:
    ask(page, maximum=10, minimum=20)
    expect(page.locator(".lane .error")).to_have_text(
        "thinking_budget.min_tokens (20) is above thinking_budget.max_tokens (10)."
    )
    expect(page.locator(".lane")).to_have_attribute("data-state", "failed")


@pytest.mark.parametrize(
    ("budgets", "said"),
    [
        ("0, x", "“x” is no budget: write 64, unlimited, 2 Waits, or 64 + 2 Waits."),
        ("64 + 32", "“64 + 32” says the same thing twice."),
        (" , ", "Write at least one budget."),
        ("1,2,3,4,5,6,7,8,9", "At most 8 budgets side by side."),
    ],
)
def test_list_that_is_none_is_refused(page: Page, budgets: str, said: str) -> None:
    page.get_by_text("Side by side").click()
    ask(page, budgets=budgets)
    expect(page.get_by_role("alert")).to_have_text(said)
    assert page.locator(".lane").count() == 0


def test_missing_question_is_said_and_its_field_has_the_focus(page: Page) -> None:
    ask(page, question=" ")
    expect(page.get_by_role("alert")).to_have_text("Write a question first.")
    expect(page.locator("#question")).to_be_focused()


def test_guarded_hostile_and_then_dead_server(browser: Browser, tmp_path: Path) -> None:
    """A server of its own, in one test: it takes half a minute to start."""
    cue = '{"end_message": "\\n<script>document.title=1</script>' + HOSTILE.replace('"', '\\"') + '"}'
    server = ServerProcess(
        tmp_path / "log",
        ["--api-key", "sk-right", "--served-model-name", HOSTILE, "--default-thinking-budget", cue],
    )
    server.wait_until_ready()
    try:
        with browser.new_context() as context:
            page = context.new_page()
            faults = telemetry(page, server.url)
            page.goto(server.url)
            expect(page.locator("#served")).to_contain_text("wants an API key")
            expect(page.locator("#key")).to_be_focused()
            page.keyboard.type("sk-wrong\t")
            expect(page.locator("#served")).to_contain_text("this one is not it")
            page.fill("#key", "sk-right")
            page.keyboard.press("Tab")
            expect(page.locator("#served")).to_contain_text(HOSTILE)
            ask(page, question=QUESTION, maximum=9, temperature=0)
            assert HOSTILE in texts(page, ".answer")[0]
            assert "<script>" in texts(page, ".lane mark")[0]
            page.click(".code summary")
            code = texts(page, ".code pre")[0]
            assert "$S1_API_KEY" in code
            assert "sk-right" not in code
            assert page.locator("header img, .lane img, .lane script").count() == 1  # the icon
            server.process.kill()
            server.process.wait()
            ask(page)
            expect(page.locator(".lane .error")).to_contain_text("The server does not answer.")
            assert [fault for fault in faults if "ERR_" not in fault] == []
    finally:
        server.process.kill()
        server.process.wait()


def test_stream_that_breaks_off_is_said_to_have(page: Page) -> None:
    """The connection is cut behind the first chunks; a server that dies does the same."""
    chunk = 'data: {"choices": [{"index": 0, "delta": {"reasoning": "I th"}}]}\n\n'
    fulfil(page, "**/chat/completions", content_type="text/event-stream", body=chunk)
    ask(page)
    expect(page.locator(".lane .error")).to_contain_text("broke off")
    assert texts(page, ".thinking") == ["I th"]


def test_errors_inside_a_stream_and_a_spent_quota_are_said(page: Page) -> None:
    broken = 'data: {"error": {"message": "the engine is gone"}}\n\n'
    fulfil(page, "**/chat/completions", content_type="text/event-stream", body=broken)
    ask(page)
    expect(page.locator(".lane .error")).to_have_text("the engine is gone")
    page.unroute("**/chat/completions")
    spent = {"error": {"message": "The quota is spent."}}
    fulfil(page, "**/chat/completions", status=429, json=spent, headers={"Retry-After": "30"})
    ask(page)
    expect(page.locator(".lane .error")).to_have_text("The quota is spent. Try again in 30 s.")


def test_model_without_known_marks_is_asked_without_a_budget(page: Page) -> None:
    """Only the list of models is another one: the request goes to the server."""
    model = {"id": "s1-nano", "max_model_len": 2048, "thinking_family": None}
    fulfil(page, "**/v1/models", json={"data": [model]})
    page.reload()
    expect(page.locator("#served")).to_contain_text("takes no budget")
    assert page.locator("#waits").is_disabled()
    with page.expect_request("**/chat/completions") as asked:
        ask(page)
    assert sorted(asked.value.post_data_json or ()) == ["messages", "model", "stream", "temperature"]
    assert "Final Answer:" in texts(page, ".answer")[0]


# -- code ----------------------------------------------------------------------------------------------------

QUOTES = """It's "x" \\ $HOME `id` — \N{SNOWMAN} ","":"""


@pytest.mark.parametrize("question", [QUESTION, QUOTES], ids=["plain", "quotes"])
def test_request_as_code_runs_and_gives_the_same(page: Page, tmp_path: Path, question: str) -> None:
    ask(page, question=question, waits=1, nudge='It\'s "so"', maximum=60)
    answer = texts(page, ".answer")[0]
    page.click(".code summary")
    curl = texts(page, ".code pre")[0]
    done = subprocess.run(["sh", "-c", curl + " -s"], capture_output=True, text=True, check=True)
    choice = httpx.Response(200, text=done.stdout).json()["choices"][0]
    assert choice["message"]["content"].lstrip() == answer
    assert choice["message"]["reasoning"] == texts(page, ".thinking")[0]
    page.get_by_role("button", name="Python").click()
    script = tmp_path / "asked.py"
    script.write_text(texts(page, ".code pre")[0], encoding="utf-8")
    printed = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True).stdout
    assert answer in printed
    assert "waits_used" in printed


def test_code_is_copied(page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ask(page, maximum=5)
    page.click(".code summary")
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == texts(page, ".code pre")[0]


# -- for everyone --------------------------------------------------------------------------------------------


def test_all_of_it_works_from_the_keyboard(page: Page) -> None:
    page.locator("body").press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    reached = []
    for _ in range(16):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
        if reached[-1] == "slider":
            page.keyboard.press("ArrowLeft")  # from unlimited to the largest stop
    wanted = ["question", "maximum", "slider", "waits", "minimum", "nudge", "ask"]
    assert [name for name in reached if name in wanted] == wanted
    assert page.input_value("#maximum") == "1024"
    page.focus("#waits")
    page.keyboard.type("1")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".lane")).to_have_attribute("data-state", "done")
    assert texts(page, ".lane h2") == ["At most 1024, 1 Wait"]
    expect(page.locator("#news")).to_contain_text("The model ended its thinking itself.")
    expect(page.locator("#news")).to_contain_text("Final Answer:")


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_runs_off_the_side(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.get_by_text("Side by side").click()
    ask(page, budgets="0, 16", nudge=HOSTILE)
    page.locator(".code summary").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_no_fault(page: Page, axe: str, scheme: Any, width: int) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate(axe)
    found = [page.evaluate("axe.run().then((all) => all.violations)")]
    page.get_by_text("Side by side").click()
    page.click("#more summary")
    ask(page, budgets="0, 20, 1 Wait")
    page.locator(".code summary").first.click()
    found.append(page.evaluate("axe.run().then((all) => all.violations)"))
    faults = [(fault["id"], node["html"]) for each in found for fault in each for node in fault["nodes"]]
    assert faults == []
