"""A history whose thinking is kept costs no prefill; where it is dropped, all behind it is computed again."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.conftest import ServerProcess
from tests.server.api.every_endpoint import CHAT, USER

pytestmark = pytest.mark.engine
BLOCK = 32
TEMPLATE = (
    "{%- for message in messages %}{{- '<|im_start|>' + message['role'] + '\\n' }}"
    "{%- if preserve_thinking is defined and preserve_thinking and message['reasoning_content'] is defined %}"
    "{{- '<think>\\n' + message['reasoning_content'] + '</think>' }}{%- endif %}"
    "{{- message['content'] + '<|im_end|>\\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n<think>\\n' }}{%- endif %}"
)
"""s1-nano's, with Qwen3.6's variable."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("kept")
    (folder / "template.jinja").write_text(TEMPLATE)
    flags = ["--chat-template", str(folder / "template.jinja"), "--keep-thinking", "all"]
    flags += ["--enable-prompt-tokens-details", "--block-size", str(BLOCK)]
    process = ServerProcess(folder / "server.log", flags)
    process.wait_until_ready()
    yield process
    process.stop()


def chat(server: ServerProcess, messages: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    body = {"model": "s1-nano", "temperature": 0, "max_tokens": 300, "messages": messages, **more}
    reply = httpx.post(server.url + CHAT, json=body, timeout=300)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def test_second_turn_is_cached_to_the_last_block_where_thinking_is_kept(server: ServerProcess) -> None:
    first = chat(server, [USER])
    message = first["choices"][0]["message"]
    again = {"role": "user", "content": "And of 407?"}
    talk = [USER, {name: message[name] for name in ("role", "content", "reasoning_content")}, again]
    kept, dropped = chat(server, talk), chat(server, talk, reasoning={"context": "current_turn"})
    usage, asked = first["usage"], first["usage"]["prompt_tokens"]
    cached = [each["usage"]["prompt_tokens_details"]["cached_tokens"] for each in (kept, dropped)]
    print(usage, kept["usage"], dropped["usage"])
    assert cached[0] > asked + usage["completion_tokens"] - BLOCK - 1
    assert cached[1] <= asked
    assert dropped["usage"]["prompt_tokens"] < kept["usage"]["prompt_tokens"]


def test_tokenize_tells_the_prompt_that_a_request_would_have(server: ServerProcess) -> None:
    thought = {"role": "assistant", "reasoning_content": "So.\n", "content": "17"}
    talk = [USER, thought, {"role": "user", "content": "And of 407?"}]
    for asked in ({}, {"reasoning": {"context": "current_turn"}}, {"thinking_budget": 8}):
        body = {"model": "s1-nano", "messages": talk, **asked}
        told = httpx.post(server.url + "/tokenize", json=body).json()
        assert told["count"] == chat(server, talk, **asked)["usage"]["prompt_tokens"], told
    refused = httpx.post(server.url + "/tokenize", json={**body, "thinking_budget": -7})
    assert refused.status_code == 400, refused.text


def test_start_says_what_is_kept(server: ServerProcess) -> None:
    assert "history  all: " in server.log.read_text()
