"""Thinking switched by a word in the system prompt, where the chat template reads no variable for it.

NVIDIA's Nemotron Nano v2 and Super v1.5 read "/no_think", Ling 2.6 "detailed thinking on". A word that the
client has written itself stands.
"""

from collections.abc import Collection, Mapping
from typing import Any

from server.api.errors import ANTHROPIC_PATH
from server.api.histories import RESPONSES_PATH, by_conversation
from server.budget.parsing.forward import SWITCH_WORDS

_SYSTEM = ("system", "developer")


def say_word(path: str, body: dict[str, Any], words: Mapping[bool, str], is_on: bool | None) -> None:
    """Put the word for on or off into the system prompt of a request for vLLM.

    Args:
        path: The endpoint's.
        body: The request; its messages are replaced, not changed.
        words: Those that the template reads; one that says what holds anyway is not among them.
        is_on: Whether thinking is to be; None: nothing was said of it.
    """
    if is_on is None or not words:
        return
    if path.startswith(ANTHROPIC_PATH):
        where = "system"
    elif path == RESPONSES_PATH:
        where = "instructions"
    else:
        where = ""
    conversation = body.get("input" if path == RESPONSES_PATH else "messages")
    if where:
        if not _is_said((body.get(where), _contents(conversation)), words) and is_on in words:
            body[where] = _with(body.get(where), words[is_on])
    elif isinstance(conversation, list):
        body["messages"] = by_conversation(conversation, lambda each: _told(each, words, is_on))


def _told(messages: list[Any], words: Mapping[bool, str], is_on: bool) -> list[Any]:
    word = words.get(is_on)
    if word is None or _is_said(_contents(messages), words):
        return messages
    first = messages[0] if messages else None
    if isinstance(first, Mapping) and first.get("role") in _SYSTEM:
        return [{**first, "content": _with(first.get("content"), word)}, *messages[1:]]
    return [{"role": "system", "content": word}, *messages]


def _with(content: Any, word: str) -> Any:
    """A message's content and the word behind it; as it is where it is none, which vLLM says itself."""
    if isinstance(content, list):
        return [*content, {"type": "text", "text": f"\n{word}"}]
    if content is None or isinstance(content, str):
        return f"{content}\n{word}" if content else word
    return content


def _contents(messages: object) -> list[object]:
    """What systems and users say."""
    if isinstance(messages, str):
        return [messages]
    if not isinstance(messages, list):
        return []
    roles = (*_SYSTEM, "user")
    return [
        each.get("content") for each in messages if isinstance(each, Mapping) and each.get("role") in roles
    ]


def _is_said(content: object, words: Mapping[bool, str]) -> bool:
    return any(word in text for text in _texts(content) for word in _both(words))


def _both(words: Mapping[bool, str]) -> Collection[str]:
    said = set(words.values())
    return {word for pair in SWITCH_WORDS if said.intersection(pair) for word in pair}


def _texts(content: object) -> list[str]:
    if isinstance(content, str):
        return [content]
    if isinstance(content, Mapping):
        return _texts(content.get("text"))
    if isinstance(content, list | tuple):
        return [text for each in content for text in _texts(each)]
    return []
