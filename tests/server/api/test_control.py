"""Ending the thinking of a running request, through every endpoint of the real server."""

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

CHAT = "/v1/chat/completions"
CONTROL = "/v1/chat/completions/control"
ENDLESS: dict[str, Any] = {
    "model": "s1-nano",
    "messages": [{"role": "user", "content": "Find the smallest prime factor of 391."}],
    "thinking_budget": {"min_tokens": 900, "on_loop": "ignore"},
}


def end(url: str, response_id: str, action: str = "end_thinking") -> Any:
    """What the control endpoint answers."""
    response = httpx.post(url + CONTROL, json={"id": response_id, "action": action}, timeout=300)
    assert response.status_code == 200, response.text
    return response.json()


def events(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """The JSON of a stream's events."""
    for line in lines:
        if line.startswith("data: ") and line != "data: [DONE]":
            yield json.loads(line[6:])


def ended_stream(url: str, body: dict[str, Any], action: str = "end_thinking") -> list[dict[str, Any]]:
    """The events of a chat stream whose thinking is ended once some of it has come."""
    with httpx.stream("POST", url + CHAT, json={**body, "stream": True}, timeout=300) as response:
        stream = events(response.iter_lines())
        come = [next(stream) for _ in range(6)]
        assert end(url, come[0]["id"], action) == {"success": True}
        return [*come, *stream]


@pytest.mark.parametrize("action", ["end_thinking", "reasoning_end"])
def test_thinking_ends_at_a_token_with_the_cue_and_the_answer_follows(server_url: str, action: str) -> None:
    come = ended_stream(server_url, {**ENDLESS, "return_token_ids": True, "reasoning_control": True}, action)
    choices = [choice for event in come for choice in event["choices"]]
    report = choices[-1]["thinking"]
    assert (report["end"], report["min_tokens"]) == ("requested", 900)
    assert 0 < report["tokens"] < 900
    content = "".join(choice["delta"].get("content") or "" for choice in choices)
    assert content.startswith("\n\nFinal Answer:")
    assert any(character.isdigit() for character in content)

    ids = [token for choice in choices for token in choice.get("token_ids") or []]
    close = _ids(server_url, "</think>\n\nFinal Answer:")
    (at,) = (at for at in range(len(ids)) if ids[at : at + len(close)] == close)
    assert report["tokens"] == at
    assert report["forced_tokens"] == report["waits_used"] + len(close)  # "Wait" is one token


def test_all_of_n_choices_end(server_url: str) -> None:
    come = ended_stream(server_url, {**ENDLESS, "n": 4, "temperature": 1.0, "seed": 5})
    reports = [c["thinking"] for event in come for c in event["choices"] if c["finish_reason"]]
    assert [report["end"] for report in reports] == ["requested"] * 4
    assert all(report["tokens"] < 900 for report in reports)


def test_client_stop_acts_on_the_answer_behind_the_cue_only(server_url: str) -> None:
    come = ended_stream(server_url, {**ENDLESS, "stop": ["Answer", "try"]})
    content = "".join(c["delta"].get("content") or "" for event in come for c in event["choices"])
    assert content.startswith("\n\nFinal Answer:")


def test_whole_response_is_ended_by_the_id_that_its_client_chose(server_url: str) -> None:
    got: list[httpx.Response] = []

    def ask() -> None:
        headers = {"X-Request-Id": "mine"}
        got.append(httpx.post(server_url + CHAT, json=ENDLESS, headers=headers, timeout=300))

    asking = threading.Thread(target=ask)
    asking.start()
    while not end(server_url, "chatcmpl-mine")["success"]:
        assert asking.is_alive()
        time.sleep(0.01)
    asking.join()
    report = got[0].json()["choices"][0]["thinking"]
    assert report["end"] == "requested"
    assert report["tokens"] < 900


@pytest.mark.parametrize(
    ("path", "body", "id_in"),
    [
        ("/v1/completions", {"prompt": ["2 + 2 <think>", "3 + 3 <think>"], "max_tokens": 2000}, []),
        ("/v1/messages", {"messages": ENDLESS["messages"], "max_tokens": 2000}, ["message"]),
        ("/v1/responses", {"input": "Find the smallest prime factor of 391."}, ["response"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_endpoints_requests_are_ended_too(
    server_url: str, path: str, body: dict[str, Any], id_in: list[str]
) -> None:
    request = {
        **body,
        "model": "s1-nano",
        "thinking_budget": {"min_tokens": 900, "on_loop": "ignore"},
        "stream": True,
    }
    with httpx.stream("POST", server_url + path, json=request, timeout=300) as response:
        stream = events(response.iter_lines())
        first = next(stream)
        come = [next(stream) for _ in range(6)]
        for key in id_in:
            first = first[key]
        assert end(server_url, first["id"]) == {"success": True}
        come += list(stream)
    reports = [found for event in come for found in _reports(event)]
    assert {report["end"] for report in reports} == {"requested"}
    assert len(reports) == (2 if path == "/v1/completions" else 1)


def _reports(event: dict[str, Any]) -> list[dict[str, Any]]:
    places = [event, event.get("response") or {}, *event.get("choices", [])]
    return [place["thinking"] for place in places if isinstance(place.get("thinking"), dict)]


def test_request_that_answers_already_is_left_alone(server_url: str) -> None:
    body = {**ENDLESS, "thinking_budget": 0, "ignore_eos": True, "max_tokens": 500, "stream": True}
    with httpx.stream("POST", server_url + CHAT, json=body, timeout=300) as response:
        stream = events(response.iter_lines())
        come = [next(stream) for _ in range(12)]
        said = end(server_url, come[0]["id"])
        (*_, last) = (choice for event in stream for choice in event["choices"])
    assert said == {"success": False, "message": "thinking is over in this completion"}
    assert last["thinking"]["end"] == "off"


def test_request_that_is_over_or_never_was_is_said_so(server_url: str) -> None:
    over = httpx.post(server_url + CHAT, json={**ENDLESS, "thinking_budget": 5}, timeout=300).json()["id"]
    expected = {"success": False, "message": "no active completion for this id on this server"}
    assert end(server_url, over) == expected
    assert end(server_url, "chatcmpl-nobody") == expected


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"action": "end_thinking"}, "id"),
        ({"id": "", "action": "end_thinking"}, "id"),
        ({"id": 7, "action": "end_thinking"}, "id"),
        ({"id": "chatcmpl-1"}, "action"),
        ({"id": "chatcmpl-1", "action": "stop"}, "action"),
        ({"id": "chatcmpl-1", "action": "end_thinking", "choice": 1}, "choice"),
        ({"\ud800": 1}, "\ud800"),
        ([], None),
    ],
)
def test_what_is_no_control_request_is_a_400_that_names_the_field(
    server_url: str, body: Any, field: str | None
) -> None:
    response = httpx.post(server_url + CONTROL, content=json.dumps(body))
    assert response.status_code == 400
    assert response.json()["error"]["param"] == field


def _ids(url: str, text: str) -> list[int]:
    body = {"model": "s1-nano", "prompt": text, "add_special_tokens": False}
    return list(httpx.post(f"{url}/tokenize", json=body).json()["tokens"])
