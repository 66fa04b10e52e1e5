"""The messages of a chat, as a chat template may be given them.

What came through Arrow (Parquet, `datasets`) has a None for each key that another message or row has. Of 786
real templates 35 then raise, and others write the user's turn as the assistant's or open an empty thinking
block: a key is there or it is not. With these keys gone all of them write what they write for the original.
"""

from collections.abc import Iterable, Mapping
from typing import Any

Message = dict[str, Any]


def without_none(messages: Iterable[Mapping[str, Any]]) -> list[Message]:
    """The messages without the keys that are None, at any depth; a content of None becomes empty.

    A message that only calls a tool may have that content: of the templates fewest refuse an empty text, more
    refuse or misprint a None, or that nothing is there.
    """
    return [_of_message(message) for message in messages]


def _of_message(message: Mapping[str, Any]) -> Message:
    found: Message = _without(message)
    if "content" in message and message["content"] is None:
        found["content"] = ""
    return found


def _without(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without(each) for name, each in value.items() if each is not None}
    if isinstance(value, list | tuple):
        return [_without(each) for each in value]
    return value
