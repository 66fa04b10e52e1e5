"""A conversation that a client sends back, as vLLM can read it and as the model wrote it.

Of /v1/responses vLLM reads the first part of each item only, and fails on one without parts, or with
encrypted thinking; OpenAI's documentation allows all of these, and Codex sends them. No text is lost here:
parts are joined.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Item = dict[str, Any]
RESPONSES_PATH = "/v1/responses"
CUT = ("in_progress", "incomplete")
"""The states of an item of /v1/responses that goes on."""
_TEXT_KEYS = ("text", "refusal")


def by_conversation(messages: list[Any], change: Callable[[list[Any]], list[Any]]) -> list[Any]:
    """The conversation, changed; or each of the several that one request may hold."""
    if not any(isinstance(each, list) for each in messages):
        return change(messages)
    return [change(each) if isinstance(each, list) else each for each in messages]


def drop_blank_text(body: dict[str, Any]) -> None:
    """Of the `messages` of a chat, OpenAI's or Anthropic's: blank text before a tool call; in place.

    Models write line breaks between their thinking and a call. An agent sends them back as a text of its own,
    for which chat templates write a line break more: that is another prompt, and one which is cached no more.
    """
    messages = body.get("messages")
    if isinstance(messages, list):
        body["messages"] = by_conversation(
            messages, lambda each: [_without_blank(message) for message in each]
        )


def name_thoughts(body: dict[str, Any]) -> None:
    """Of the `messages` of /tokenize: `reasoning_content`, which vLLM renames in a chat only; in place."""
    messages = body.get("messages")
    if isinstance(messages, list):
        body["messages"] = [_named(message) for message in messages]


def _named(message: Any) -> Any:
    if not isinstance(message, Mapping) or "reasoning_content" not in message:
        return message
    rest = {key: value for key, value in message.items() if key != "reasoning_content"}
    if rest.get("reasoning") is None and message["reasoning_content"] is not None:
        rest["reasoning"] = message["reasoning_content"]
    return rest


def _without_blank(message: Any) -> Any:
    if not isinstance(message, Mapping) or message.get("role") != "assistant":
        return message
    content = message.get("content")
    if message.get("tool_calls") and isinstance(content, str) and content and not content.strip():
        return {**message, "content": ""}
    if isinstance(content, list) and (message.get("tool_calls") or any(_is_call(block) for block in content)):
        return {**message, "content": [block for block in content if not _is_blank(block)]}
    return message


def _is_call(block: object) -> bool:
    return isinstance(block, Mapping) and block.get("type") == "tool_use"


def _is_blank(block: object) -> bool:
    text = block.get("text") if isinstance(block, Mapping) and block.get("type") == "text" else None
    return isinstance(text, str) and not text.strip()


def put_in_order(body: dict[str, Any]) -> None:
    """The `input` of a request to /v1/responses, where it is a list of items; in place."""
    items = body.get("input")
    if isinstance(items, list):
        found = [_item(each) if isinstance(each, dict) else each for each in items]
        body["input"] = [each for each in found if each is not None]


def _item(item: Item) -> Item | None:
    """None: there is nothing in it."""
    kind = item.get("type", "message")
    if kind == "reasoning":
        return _reasoning(item)
    if kind == "message" and item.get("role") == "assistant":
        return _answer(item)
    return item


def _reasoning(item: Item) -> Item | None:
    """Its text, or else its summary. What is encrypted was encrypted by somebody else."""
    text = _joined(item.get("content"), "\n") or _joined(item.get("summary"), "\n\n")
    if not text:
        return None
    kept = {
        key: value for key, value in item.items() if key in ("type", "id", "status") and value is not None
    }
    return {"id": "rs_0", **kept, "summary": [], "content": [{"type": "reasoning_text", "text": text}]}


def _answer(item: Item) -> Item | None:
    content = item.get("content")
    if content is not None and not isinstance(content, str | list):
        return item  # vLLM says what is wrong
    text = content if isinstance(content, str) else _joined(content, "")
    if not text or (not text.strip() and item.get("status") not in CUT):
        return None
    kept = {key: value for key, value in item.items() if value is not None}
    part = {"type": "output_text", "text": text, "annotations": []}
    return {"id": "msg_0", "status": "completed", **kept, "type": "message", "content": [part]}


def _joined(parts: object, between: str) -> str:
    if isinstance(parts, str):
        return parts
    if not isinstance(parts, Sequence):
        return ""
    return between.join(filter(None, (_text(each) for each in parts)))


def _text(part: object) -> str:
    if not isinstance(part, Mapping):
        return ""
    return next((text for key in _TEXT_KEYS if isinstance(text := part.get(key), str)), "")
