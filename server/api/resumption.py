"""A thought that was cut and is to go on: taken out of the conversation, to stand open after the prompt.

A chat template given it as the last message (`continue_final_message`) closes it, puts an empty block before
it, or opens it twice: 114 of 242 real ones did. Behind the prompt of a new turn it stands as it was written.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from server.api.histories import CUT, RESPONSES_PATH
from server.reasoning.family import Family, cut_at


def continues_final_message(path: str, body: Mapping[str, Any]) -> bool:
    """Whether the last message of the conversation goes on, instead of a new turn."""
    if path != RESPONSES_PATH:
        return body.get("continue_final_message") is True
    last = _last(body.get("input"))
    return last is not None and last.get("status") in CUT


def take_thought(path: str, body: dict[str, Any], family: Family) -> str | None:
    """The thought that is to go on, taken out of `body`; None where there is none."""
    if not continues_final_message(path, body) or body.get("echo"):
        return None
    field = "input" if path == RESPONSES_PATH else "messages"
    last = _last(body.get(field))
    thought = None if last is None else _thought_of_item(last) if field == "input" else _thought(last, family)
    if thought is None or len(body[field]) == 1:
        return None
    body[field] = body[field][:-1]
    if field == "messages":
        body.update(continue_final_message=False, add_generation_prompt=True)
    return thought


def _last(messages: object) -> Mapping[str, Any] | None:
    last = messages[-1] if isinstance(messages, Sequence) and messages else None
    return last if isinstance(last, Mapping) else None


def _thought(message: Mapping[str, Any], family: Family) -> str | None:
    if message.get("role") != "assistant" or message.get("tool_calls"):
        return None
    text = _text(message.get("content"))
    if text is None:
        return None
    apart = message.get("reasoning") or message.get("reasoning_content")
    if not text.strip():
        return apart if isinstance(apart, str) and apart.strip() else None
    before, mark, thought = cut_at(text, family.starts)
    is_open = bool(mark) and not before.strip() and not any(end in thought for end in family.ends)
    return thought if is_open else None


def _thought_of_item(item: Mapping[str, Any]) -> str | None:
    return _text(item.get("content")) if item.get("type") == "reasoning" else None


def _text(content: object) -> str | None:
    """None: it is no text."""
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        return None
    parts = [each.get("text") if isinstance(each, Mapping) else None for each in content]
    texts = [each for each in parts if isinstance(each, str)]
    return "".join(texts) if len(texts) == len(parts) else None
