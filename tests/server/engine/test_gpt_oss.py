"""gpt-oss through vLLM's own Harmony path: the engine runs its architecture, vLLM's parser reads it."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from transformers import AutoTokenizer

from tests.conftest import ServerProcess
from tests.server.engine.gpt_oss import AFTER_WAIT, ANSWER, CUT, THOUGHT, taught_folder

pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.timeout(1800)]

AGAIN = f"Wait{AFTER_WAIT}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return taught_folder(tmp_path_factory.mktemp("gpt-oss"))


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    """A server without a flag about the family."""
    flags = ["--model", str(folder), "--served-model-name", "oss", "--kv-cache-memory-bytes", str(1 << 27)]
    flags += ["--max-model-len", "2048", "--enforce-eager"]
    log = folder / "server.log"
    process = ServerProcess(log, flags, {"TIKTOKEN_ENCODINGS_BASE": str(folder / "vocabulary")})
    process.wait_until_ready()
    assert "family   gpt-oss" in log.read_text()
    yield process.url
    process.stop()


@pytest.fixture(scope="module")
def cut(folder: Path) -> str:
    """What a maximum of CUT tokens leaves of the thought."""
    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    return str(tokenizer.decode(tokenizer.encode(THOUGHT, add_special_tokens=False)[:CUT]))


def body(budget: dict[str, Any] | None, **rest: Any) -> dict[str, Any]:
    """A greedy chat request."""
    asked = {"model": "oss", "messages": [{"role": "user", "content": "How many sheep?"}], "temperature": 0}
    return {**asked, "max_tokens": 200, **({"thinking_budget": budget} if budget is not None else {}), **rest}


def post(url: str, path: str, asked: dict[str, Any]) -> dict[str, Any]:
    reply = httpx.post(f"{url}/v1/{path}", json=asked, timeout=200)
    assert reply.status_code == 200, reply.text
    answer: dict[str, Any] = reply.json()
    return answer


def read(choice: dict[str, Any]) -> tuple[str, str, int, str]:
    """Thinking, answer, thinking tokens and how thinking ended."""
    message, report = choice["message"], choice["thinking"]
    return message["reasoning"] or "", message["content"], report["tokens"], report["end"]


@pytest.fixture(scope="module")
def count(folder: Path) -> Any:
    """Tokens of pieces of text that were written one after the other."""
    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    return lambda *pieces: sum(len(tokenizer.encode(each, add_special_tokens=False)) for each in pieces)


def test_without_a_budget_the_talk_is_the_models(url: str, count: Any) -> None:
    answer = post(url, "chat/completions", body(None, thinking_budget={"max_tokens": 100}))
    assert read(answer["choices"][0]) == (THOUGHT, ANSWER, count(THOUGHT), "natural")


def test_a_maximum_cuts_and_leads_to_the_answer(url: str, cut: str) -> None:
    answer = post(url, "chat/completions", body({"max_tokens": CUT}))
    assert read(answer["choices"][0]) == (cut, ANSWER, CUT, "max_tokens")
    assert answer["usage"]["completion_tokens_details"]["reasoning_tokens"] == CUT


def test_a_maximum_of_none_is_the_answer_at_once(url: str) -> None:
    answer = post(url, "chat/completions", body({"max_tokens": 0}))
    assert read(answer["choices"][0]) == ("", ANSWER, 0, "max_tokens")


def test_waits_go_on_in_the_same_message(url: str, count: Any) -> None:
    answer = post(url, "chat/completions", body({"num_waits": 2}))
    tokens = count(THOUGHT, "Wait", AFTER_WAIT, "Wait", AFTER_WAIT)
    assert read(answer["choices"][0]) == (THOUGHT + AGAIN * 2, ANSWER, tokens, "natural")


def test_a_minimum_holds(url: str) -> None:
    answer = post(url, "chat/completions", body({"min_tokens": 40}))
    thinking, said, tokens, _ = read(answer["choices"][0])
    assert thinking.startswith(THOUGHT + AGAIN)
    assert (said, tokens >= 40) == (ANSWER, True)


@pytest.mark.parametrize("budget", [{"max_tokens": CUT}, {"num_waits": 1}], ids=["maximum", "Wait"])
def test_a_stream_says_what_the_whole_response_says(url: str, budget: dict[str, Any]) -> None:
    whole = post(url, "chat/completions", body(budget))["choices"][0]
    thinking = said = ""
    report: dict[str, Any] = {}
    with httpx.stream("POST", f"{url}/v1/chat/completions", json=body(budget, stream=True)) as lines:
        for line in lines.iter_lines():
            if not line.startswith("data: {"):
                continue
            for choice in json.loads(line[6:])["choices"]:
                thinking += choice["delta"].get("reasoning") or ""
                said += choice["delta"].get("content") or ""
                report = choice.get("thinking") or report
    assert (thinking, said, report["tokens"], report["end"]) == read(whole)


def test_budgets_of_one_batch_do_not_mix(url: str, cut: str) -> None:
    """As many requests at once as the engine takes in one step."""
    budgets: list[dict[str, Any]] = [{"max_tokens": CUT}, {"num_waits": 1}, {"max_tokens": 0}] * 4
    with ThreadPoolExecutor(len(budgets)) as pool:
        answers = list(pool.map(lambda each: post(url, "chat/completions", body(each)), budgets))
    thinking = [read(answer["choices"][0])[0] for answer in answers]
    assert thinking == [cut, THOUGHT + AGAIN, ""] * 4


def test_a_json_schema_holds_in_the_answer_after_a_maximum(url: str, cut: str) -> None:
    schema = {"type": "object", "properties": {"kind": {"const": "sheep"}}, "required": ["kind"]}
    asked = {"type": "json_schema", "json_schema": {"name": "kind", "schema": schema}}
    answer = post(url, "chat/completions", body({"max_tokens": CUT}, response_format=asked))
    thinking, said, tokens, end = read(answer["choices"][0])
    assert (thinking, tokens, end) == (cut, CUT, "max_tokens")
    assert json.loads(said) == {"kind": "sheep"}


def test_responses_and_messages_keep_the_budget(url: str, cut: str) -> None:
    asked = {"model": "oss", "input": "How many sheep?", "temperature": 0, "max_output_tokens": 200}
    told = post(url, "responses", {**asked, "thinking_budget": {"max_tokens": CUT}})
    kinds = [item["type"] for item in told["output"]]
    assert kinds == ["reasoning", "message"]
    assert told["output"][0]["content"][0]["text"] == cut
    assert told["output"][1]["content"][0]["text"] == ANSWER
    chat = {"model": "oss", "messages": [{"role": "user", "content": "How many sheep?"}], "max_tokens": 200}
    blocks = post(url, "messages", {**chat, "temperature": 0, "thinking_budget": {"max_tokens": CUT}})
    assert [block["type"] for block in blocks["content"]] == ["thinking", "text"]
    assert (blocks["content"][0]["thinking"], blocks["content"][1]["text"]) == (cut, ANSWER)
