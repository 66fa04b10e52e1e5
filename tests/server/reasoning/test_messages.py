"""A chat that came through Arrow is, for every real template, the chat that it was."""

from typing import Any

import pyarrow
import pytest
from transformers.utils.chat_template_utils import _compile_jinja_template

from server.reasoning.messages import without_none
from tests.server.reasoning.chat_templates import EOS, SITUATIONS, sources

CHATS = [SITUATIONS[name] for name in ("history with thinking", "tool result, answer, question")]


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


def test_without_none_every_template_writes_what_it_writes_for_the_original() -> None:
    returned = through_arrow(CHATS)
    assert returned[0][0]["tool_calls"] is None
    mended = [without_none(chat) for chat in returned]
    assert mended == CHATS
    broken = set()
    for name, source in sources().items():
        template = _compile_jinja_template(source)
        for chat, as_returned, as_mended in zip(CHATS, returned, mended, strict=True):
            original = rendered(template, chat)
            assert rendered(template, as_mended) == original, name
            if rendered(template, as_returned) != original:
                broken.add(name)
    assert len(broken) > 30  # what it is for


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
