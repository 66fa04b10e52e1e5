"""Steps that are counted down, on the real server with the family s1; s1-nano never learned them, so that
every mark is forced upon it. How a model trained on them does is not seen here."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.conftest import ServerProcess

pytestmark = pytest.mark.engine

CHAT = "/v1/chat/completions"
STEPS_ON = {"1": 12.0, "2": -100.0}
"""A bias: steps and the answer begin soon (<|im_start|>), and no turn ends (<|im_end|>)."""
BODY: dict[str, Any] = {
    "model": "s1-nano",
    "messages": [{"role": "user", "content": "Find the smallest prime factor of 391."}],
    "max_completion_tokens": 300,
}


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that takes s1-nano for a model of the s1 family."""
    process = ServerProcess(tmp_path_factory.mktemp("counting") / "server.log", ["--family", "s1"])
    process.wait_until_ready()
    yield process.url
    process.stop()


def test_steps_are_counted_down_and_the_answer_follows_the_last(counting: str) -> None:
    asked = {**BODY, "thinking_budget": {"max_steps": 3, "detail": True}, "logit_bias": STEPS_ON}
    response = httpx.post(counting + CHAT, json=asked, timeout=120).json()
    choice = response["choices"][0]
    assert response["usage"]["completion_tokens_details"]["reasoning_tokens"] == choice["thinking"]["tokens"]
    report, thinking = choice["thinking"], choice["message"]["reasoning_content"]
    assert report["end"] == "max_steps"
    assert [part.split(" left")[0] for part in thinking.split("<|im_start|>")[1:]] == ["2 steps", "1 steps"]
    assert "<|im_start|>" not in choice["message"]["content"]
    assert "answer" not in thinking
    forced = [thinking[s["start"] : s["end"]] for s in report["forced_spans"] if s["kind"] == "step"]
    assert forced == ["2 steps left", "1 steps left"]


def test_stream_says_what_the_whole_response_does(counting: str) -> None:
    asked = {
        **BODY,
        "thinking_budget": {"max_steps": 3},
        "logit_bias": STEPS_ON,
        "temperature": 0,
    }
    whole = httpx.post(counting + CHAT, json=asked, timeout=120).json()["choices"][0]
    with httpx.stream("POST", counting + CHAT, json={**asked, "stream": True}, timeout=120) as response:
        lines = [line[6:] for line in response.iter_lines() if line.startswith("data: {")]
    deltas = [choice["delta"] for line in lines for choice in json.loads(line)["choices"]]
    assert "".join(d.get("reasoning_content") or "" for d in deltas) == whole["message"]["reasoning_content"]
    assert "".join(d.get("content") or "" for d in deltas) == whole["message"]["content"]


def test_maximum_and_steps_go_together_and_waits_do_not(counting: str) -> None:
    asked = {**BODY, "thinking_budget": {"max_steps": 9, "max_tokens": 20}, "logit_bias": STEPS_ON}
    choice = httpx.post(counting + CHAT, json=asked, timeout=120).json()["choices"][0]
    assert (choice["thinking"]["end"], choice["thinking"]["tokens"]) == ("max_tokens", 20)
    refused = {**BODY, "thinking_budget": {"max_steps": 9, "num_waits": 1}}
    response = httpx.post(counting + CHAT, json=refused, timeout=300)
    assert (response.status_code, response.json()["error"]["param"]) == (400, "thinking_budget.max_steps")


def test_family_without_such_marks_refuses_them(server_url: str) -> None:
    asked = {**BODY, "thinking_budget": {"max_steps": 9}}
    response = httpx.post(server_url + CHAT, json=asked, timeout=300)
    assert response.status_code == 400
    assert "family think" in response.json()["error"]["message"]
