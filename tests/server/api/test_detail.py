"""Detailed reports from the real server: which characters were forced, and how far a stream has come."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

QUESTION = "Find the smallest prime factor of 391."
BUDGETS: list[dict[str, Any]] = [
    {"num_waits": 3, "nudge": ["Wait", "Hmm, wait é😀"]},
    {"max_tokens": 60, "num_waits": 2},
    {"max_tokens": 16, "end_message": "\n\nIn short é😀:"},
    {"min_tokens": 200},
    {"max_tokens": 0},
]


def body(budget: dict[str, Any], **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": QUESTION}]
    return {"model": "s1-nano", "messages": messages, "temperature": 0, "thinking_budget": budget, **more}


def ask(url: str, request: dict[str, Any]) -> dict[str, Any]:
    response = httpx.post(f"{url}/v1/chat/completions", json=request, timeout=300)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def choices(url: str, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Each choice of each chunk of a stream."""
    with httpx.stream(
        "POST", f"{url}/v1/chat/completions", json={**request, "stream": True}, timeout=300
    ) as stream:
        for line in stream.iter_lines():
            if line.startswith("data: {"):
                yield from json.loads(line[6:])["choices"]


def forced_texts(report: dict[str, Any], parts: dict[str, str]) -> list[tuple[str, str]]:
    return [
        (span["kind"], parts[span["part"]][span["start"] : span["end"]]) for span in report["forced_spans"]
    ]


@pytest.mark.parametrize("budget", BUDGETS, ids=str)
def test_spans_are_the_nudges_and_the_cue_and_detail_changes_nothing_else(
    server_url: str, budget: dict[str, Any]
) -> None:
    [plain] = ask(server_url, body(budget))["choices"]
    [choice] = ask(server_url, body({**budget, "detail": True}))["choices"]
    report, message = choice["thinking"], choice["message"]
    assert message == plain["message"]
    assert {key: value for key, value in report.items() if key != "forced_spans"} == plain["thinking"]
    nudges = budget.get("nudge", ["Wait"])
    said = [("nudge", nudges[n % len(nudges)]) for n in range(report["waits_used"])]
    if report["end"] in ("max_tokens", "off"):
        said.append(("cue", budget.get("end_message", "\n\nFinal Answer:")))
    parts = {"thinking": message["reasoning"] or "", "answer": message["content"]}
    assert forced_texts(report, parts) == said


@pytest.mark.parametrize("budget", BUDGETS, ids=str)
def test_each_chunk_says_what_was_forced_in_the_text_so_far(server_url: str, budget: dict[str, Any]) -> None:
    request = body({**budget, "detail": True})
    [whole] = ask(server_url, request)["choices"]
    parts = {"thinking": "", "answer": ""}
    known: set[tuple[str, int]] = set()
    tokens, ends, last = 0, [], {}
    stream = list(choices(server_url, request))
    final = stream[-1]["thinking"]
    forced = {(s["part"], at) for s in final["forced_spans"] for at in range(s["start"], s["end"])}
    for choice in stream:
        parts["thinking"] += choice["delta"].get("reasoning") or ""
        parts["answer"] += choice["delta"].get("content") or ""
        if "thinking" not in choice:
            continue  # before the first token
        last = choice["thinking"]
        known = {(s["part"], at) for s in last["forced_spans"] for at in range(s["start"], s["end"])}
        came = {(part, at) for part, at in forced if at < len(parts[part])}
        assert came <= known <= forced
        assert tokens <= last["tokens"] <= final["tokens"]
        tokens = last["tokens"]
        ends.append(last["end"])
        assert not parts["answer"] or last["end"]
    assert last == whole["thinking"]
    assert known == forced
    assert set(ends) == ({None, final["end"]} if final["tokens"] > 1 else {final["end"]})


def test_wait_that_the_model_says_by_itself_is_not_forced(server_url: str) -> None:
    [choice] = ask(server_url, body({"num_waits": 1, "detail": True}))["choices"]
    assert choice["message"]["reasoning"].count("Wait") > 1
    assert len(choice["thinking"]["forced_spans"]) == 1


def test_each_of_n_choices_streams_its_own(server_url: str) -> None:
    request = body({"num_waits": 2, "detail": True}, n=4, temperature=1.0, seed=5)
    texts, reports = dict.fromkeys(range(4), ""), {}
    for choice in choices(server_url, request):
        texts[choice["index"]] += choice["delta"].get("reasoning") or ""
        reports[choice["index"]] = choice.get("thinking")
    for index, text in texts.items():
        report = reports[index]
        assert report is not None
        assert forced_texts(report, {"thinking": text}) == [("nudge", "Wait")] * 2
    assert len({str(report) for report in reports.values()}) > 1


def test_stream_without_detail_reports_at_its_end_only(server_url: str) -> None:
    chunks = list(choices(server_url, body({"num_waits": 1})))
    assert ["thinking" in chunk for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert "forced_spans" not in chunks[-1]["thinking"]


def test_chosen_one_of_several_samples_has_its_spans(server_url: str) -> None:
    request = body({"num_waits": 2, "detail": True}, scaling={"method": "majority", "n": 2})
    [choice] = ask(server_url, request | {"temperature": 1.0, "seed": 3})["choices"]
    spans = forced_texts(choice["thinking"], {"thinking": choice["message"]["reasoning"]})
    assert spans == [("nudge", "Wait")] * 2


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/messages", "/v1/responses"])
def test_detail_elsewhere_is_refused(server_url: str, path: str) -> None:
    request = body({"detail": True}, prompt="x", input="x", max_tokens=9)
    response = httpx.post(server_url + path, json=request, timeout=300)
    assert response.status_code == 400
    assert "thinking_budget.detail" in response.text
