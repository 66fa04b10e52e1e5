"""A chat that came through Arrow is, for every real template, the chat that it was."""

import json
from typing import Any

import pyarrow
import pytest
from transformers.utils.chat_template_utils import _compile_jinja_template

from server.reasoning.messages import without_none
from tests.server.reasoning.chat_templates import EOS, SITUATIONS, sources

CHATS = [SITUATIONS[name] for name in ("history with thinking", "tool result, answer, question")]

SPOILT_BY_NONE = (
    *(
        "openai-gpt-oss-120b",
        "meta-llama-Llama-3.1-8B-Instruct",
        "LFM2.5-8B-A1B",
        "PrimeIntellect-INTELLECT-3",
    ),
    *("Salesforce-xLAM-2-32b-fc-r", "moonshotai-Kimi-K2.7-Code", "stepfun-ai-step3", "trl-deepseekv3"),
)
"""Of 858 templates 51 write something else, or raise, where a key is None."""


def through_arrow(chats: list[list[dict[str, Any]]]) -> list[list[dict[str, Any]]]:
    table = pyarrow.Table.from_pylist([{"messages": chat} for chat in chats])
    return [row["messages"] for row in table.to_pylist()]


def rendered(template: Any, messages: list[dict[str, Any]]) -> str:
    """What the template writes, or the kind of its refusal."""
    given = {"bos_token": "<s>", "eos_token": EOS, "tools": None, "add_generation_prompt": True}
    try:
        return str(template.render(messages=messages, **given))
    except Exception as error:  # noqa: BLE001 - a template refuses what it does not know, in its own words
        return type(error).__name__


def test_without_none_a_chat_is_the_chat_that_it_was_to_the_order_of_its_keys() -> None:
    returned = through_arrow(CHATS)
    assert returned[0][0]["tool_calls"] is None
    assert json.dumps([without_none(chat) for chat in returned]) == json.dumps(CHATS)


@pytest.mark.parametrize("name", SPOILT_BY_NONE)
def test_template_that_none_spoils_writes_what_it_writes_for_the_original(name: str) -> None:
    template = _compile_jinja_template(sources()[name])
    as_returned = through_arrow(CHATS)
    originals = [rendered(template, chat) for chat in CHATS]
    assert [rendered(template, chat) for chat in as_returned] != originals  # what it is for
    assert [rendered(template, without_none(chat)) for chat in as_returned] == originals


@pytest.mark.parametrize(
    ("message", "mended"),
    [
        ({"role": "assistant", "content": None, "name": None}, {"role": "assistant", "content": ""}),
        (
            {"role": "user", "content": [{"type": "text", "text": "a", "image_url": None}]},
            {"role": "user", "content": [{"type": "text", "text": "a"}]},
        ),
        (
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"function": {"arguments": {"a": 1, "b": None}}}],
            },
            {"role": "assistant", "content": "", "tool_calls": [{"function": {"arguments": {"a": 1}}}]},
        ),
        (
            {"role": "tool", "content": "None", "n": 0, "ok": False},
            {"role": "tool", "content": "None", "n": 0, "ok": False},
        ),
    ],
)
def test_none_goes_at_any_depth_and_nothing_else(message: dict[str, Any], mended: dict[str, Any]) -> None:
    assert without_none([message]) == [mended]
