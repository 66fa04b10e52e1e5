"""Chats of data sets: who said what, and what was thought, in the shapes that they come in.

A chat is `messages` or `conversations` (role and content, or from and value), or `prompt` and `completion`;
thinking is a field of the message, a part of its content, or stands in marks in its text.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from server.reasoning.messages import Message, without_none
from server.reasoning.split import split_thinking

THINKING_FIELDS = ("reasoning_content", "reasoning", "thinking")
"""Of a message, or of a part of its content: DeepSeek and vLLM, OpenRouter and OpenAI, gpt-oss, Anthropic."""
ROLES = {"human": "user", "gpt": "assistant", "model": "assistant", "bot": "assistant", "observation": "tool"}


class ChatError(ValueError):
    """A row that is no chat that can be read."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What an assistant said, and the messages before it, as a chat template gets them."""

    before: tuple[Message, ...]
    thinking: str
    answer: str
    calls_tools: bool = False

    @property
    def question(self) -> str:
        """The last thing that the user said; "" where he said nothing."""
        asked = [one for one in self.before if one["role"] == "user"]
        return str(asked[-1]["content"]) if asked else ""


def chat_of(row: Mapping[str, Any]) -> list[Message] | None:
    """The messages of a row, with role and text; None where it holds no chat.

    Raises:
        ChatError: It holds something else under a chat's name.
    """
    turns: Any = row.get("messages") or row.get("conversations") or row.get("conversation")
    if not turns and isinstance(row.get("prompt"), list) and isinstance(row.get("completion"), list):
        turns = [*row["prompt"], *row["completion"]]
    if isinstance(turns, str):
        try:
            turns = json.loads(turns)
        except ValueError as error:
            raise ChatError(f"its turns are not JSON: {error}") from error
    if not turns:
        return None
    if not isinstance(turns, list) or not all(isinstance(turn, Mapping) for turn in turns):
        raise ChatError("its turns are no list of objects")
    messages = [_message(turn) for turn in without_none(turns)]
    system = row.get("system")
    if isinstance(system, str) and system.strip() and all(one["role"] != "system" for one in messages):
        messages.insert(0, {"role": "system", "content": system})
    return messages


def replies_of(messages: Sequence[Message]) -> Iterator[Reply]:
    """Every reply of the assistant, in order, with what stands before it.

    Raises:
        ChatError: A content is no text.
    """
    before: list[Message] = []
    for message in messages:
        if message["role"] != "assistant":
            before.append(message | {"content": _text(message)})
            continue
        thinking, answer = _thinking(message), _text(message).strip()
        if not thinking:
            thinking, answer = split_thinking(answer)
        calls = message.get("tool_calls")
        yield Reply(tuple(before), thinking.strip(), answer, bool(calls))
        told: Message = {"role": "assistant", "content": answer}
        told |= {"reasoning_content": thinking.strip()} if thinking.strip() else {}
        before.append(told | ({"tool_calls": calls} if calls else {}))


def _message(turn: Message) -> Message:
    role = str(turn.get("role") or turn.get("from") or "")
    if not role:
        raise ChatError(f"a turn has neither role nor from, but {', '.join(sorted(turn))}")
    content = turn.get("content") or turn.get("value") or ""
    rest = {name: value for name, value in turn.items() if name not in ("role", "from", "content", "value")}
    return {"role": ROLES.get(role, role), "content": content, **rest}


def _parts(message: Message) -> list[Message] | None:
    content = message["content"]
    if isinstance(content, str):
        return None
    if not isinstance(content, list) or not all(isinstance(part, Mapping) for part in content):
        raise ChatError(f"the content of {message['role']} is neither text nor a list of parts")
    return content


def _text(message: Message) -> str:
    """Its text; of parts those that are no thinking.

    Raises:
        ChatError: A part is no text.
    """
    parts = _parts(message)
    if parts is None:
        return str(message["content"])
    said = [part for part in parts if part.get("type") not in THINKING_FIELDS]
    if other := next((part for part in said if not isinstance(part.get("text"), str)), None):
        raise ChatError(f"a part of {message['role']}'s content is no text, but {other.get('type')}")
    return "".join(str(part["text"]) for part in said)


def _thinking(message: Message) -> str:
    """What a field of the message, or a part of its content, says was thought; "" where neither does."""
    said = next((str(message[name]) for name in THINKING_FIELDS if message.get(name)), "")
    parts = None if said else _parts(message)
    thought = [part for part in parts or () if part.get("type") in THINKING_FIELDS]
    return said or "".join(str(part.get(part["type"]) or part.get("text") or "") for part in thought)
