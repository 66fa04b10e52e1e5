"""Open WebUI and LibreChat, by the requests that they send and the fields that they read.

Open WebUI: backend/open_webui/routers/openai.py, generate_chat_completion (what a browser sends, without
its metadata; max_completion_tokens becomes max_tokens outside api.openai.com), and utils/payload.py,
apply_model_params_to_body_openai (advanced parameters; custom_params, whose text is read as JSON).
LibreChat: librechat.ai/docs, librechat_yaml/object_structure/default_params (the body, word for word);
issue 4099 (stream_options); pull request 13447 (reasoning_effort, or reasoning.effort by
customParams.reasoningFormat); 13921 (reasoning_content replayed); issue 12775 (it reads reasoning_content).
"""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

FIXTURES = Path(__file__).parent / "fixtures"
REQUESTS = [
    pytest.param(each, id=f"{path.stem}: {each['what']}")
    for path in sorted(FIXTURES.glob("*.json"))
    for each in json.loads(path.read_text())
]
UNSET = {"max_tokens": -1, "min_tokens": 0, "num_waits": 0}


def send(url: str, body: dict[str, Any]) -> tuple[str, str, dict[str, Any], dict[str, Any] | None]:
    """(thinking, answer, report, usage), read as these two do: `reasoning_content`, or else `content`."""
    response = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=60)
    assert response.status_code == 200, response.text
    if not body["stream"]:
        whole = response.json()
        message = whole["choices"][0]["message"]
        thinking = message["reasoning_content"] or ""
        return thinking, message["content"], whole["choices"][0]["thinking"], whole["usage"]
    lines = [line for line in response.text.splitlines() if line.startswith("data: {")]
    chunks = [json.loads(line[6:]) for line in lines]
    thinking = answer = ""
    report: dict[str, Any] = {}
    usage = None
    for chunk in chunks:
        usage = chunk.get("usage") or usage
        for choice in chunk["choices"]:
            if piece := choice["delta"].get("reasoning_content"):
                thinking += piece
            else:
                answer += choice["delta"].get("content") or ""
            report = choice.get("thinking") or report
    return thinking, answer, report, usage


@pytest.mark.parametrize("request_", REQUESTS)
def test_its_budget_holds_and_what_it_reads_is_there(server_url: str, request_: dict[str, Any]) -> None:
    body = request_["body"]
    thinking, answer, report, usage = send(server_url, body)
    assert {name: report[name] for name in UNSET} == {**UNSET, **request_["budget"]}
    assert bool(thinking) == (report["max_tokens"] != 0)
    assert answer.strip()
    assert "</think>" not in thinking + answer
    if "stream_options" in body or not body["stream"]:
        assert usage is not None
        assert usage["completion_tokens_details"]["reasoning_tokens"] == report["tokens"]
