"""A structured answer holds where the chat template knows no thinking mark, though the tokenizer does."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.conftest import ServerProcess

pytestmark = pytest.mark.engine

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
BODY: dict[str, Any] = {
    "model": "s1-nano",
    "messages": [{"role": "user", "content": "Find the smallest prime factor of 391."}],
    "max_completion_tokens": 300,
    "temperature": 0,
    # A schema leaves room for spaces without end, which s1-nano likes.
    "structured_outputs": {"regex": r'\{"prime": (17|23)\}'},
}


@pytest.fixture(scope="module")
def without_marks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("without_marks")
    (folder / "plain.jinja").write_text(TEMPLATE)
    process = ServerProcess(folder / "server.log", ["--chat-template", str(folder / "plain.jinja")])
    process.wait_until_ready()
    yield process.url
    process.stop()


@pytest.mark.parametrize(
    "asked",
    [{}, {"thinking_budget": 50}, {"thinking_budget": 0}, {"thinking_budget": {"num_waits": 1}}],
    ids=str,
)
def test_json_is_enforced_whatever_is_asked_of_thinking(without_marks: str, asked: dict[str, Any]) -> None:
    response = httpx.post(f"{without_marks}/v1/chat/completions", json={**BODY, **asked}, timeout=120).json()
    assert json.loads(response["choices"][0]["message"]["content"])["prime"] in (17, 23)
