"""Tells the model its budget: a line behind the last question of a conversation."""

from collections.abc import Mapping
from typing import Any

from server.api.errors import ANTHROPIC_PATH
from server.api.histories import RESPONSES_PATH
from server.budget.budget import BudgetError
from server.budget.parsing.read import ReadBudget
from server.budget.parsing.spellings import ANNOUNCE, TASK
from server.reasoning.families import Family

TASK_LINE = "The whole task may take up to {tokens} tokens."


def announce(path: str, body: dict[str, Any], read: ReadBudget, family: Family | None) -> None:
    """Put the lines that a request wants told into it; its messages are replaced, not changed.

    What stands before the last question stays as it was, so that a prefix cache still holds it.

    Raises:
        BudgetError: The request has no conversation, or no question in it.
    """
    lines = []
    if read.budget.announces and family is not None:
        lines.append(family.announcement.format(tokens=read.budget.max_tokens))
    if read.task_tokens is not None:
        lines.append(TASK_LINE.format(tokens=read.task_tokens))
    if not lines:
        return
    where = (ANNOUNCE if read.budget.announces else TASK).spellings[0].name
    field = "input" if path == RESPONSES_PATH else "messages"
    conversation = body.get(field)
    if isinstance(conversation, str) and field == "input":
        body[field] = _with(conversation, lines)
    elif isinstance(conversation, list):
        body[field] = _told(conversation, lines, where, by_blocks=path.startswith(ANTHROPIC_PATH))
    elif conversation is None:
        raise BudgetError(where, f"{where}: a prompt is sent as it is; write the budget into it.")


def _told(messages: list[Any], lines: list[str], where: str, *, by_blocks: bool) -> list[Any]:
    if messages and isinstance(messages[0], list):  # several conversations of one request
        return [
            _told(each, lines, where, by_blocks=by_blocks) if isinstance(each, list) else each
            for each in messages
        ]
    for at in range(len(messages) - 1, -1, -1):
        message = messages[at]
        if isinstance(message, Mapping) and message.get("role") == "user" and _asks(message, by_blocks):
            told = {**message, "content": _with(message.get("content"), lines)}
            return [*messages[:at], told, *messages[at + 1 :]]
    raise BudgetError(where, f"{where}: the conversation has no question to tell it behind.")


def _asks(message: Mapping[str, Any], by_blocks: bool) -> bool:
    """Whether a user's message is no tool's result, which Anthropic has users say."""
    content = message.get("content")
    blocks = content if by_blocks and isinstance(content, list) else []
    return not any(isinstance(each, Mapping) and each.get("type") == "tool_result" for each in blocks)


def _with(content: Any, lines: list[str]) -> Any:
    """A message's content and the lines behind it; as it is where it is none, which vLLM says itself."""
    if isinstance(content, str):
        return "\n\n".join((content, *lines)) if content else "\n\n".join(lines)
    if not isinstance(content, list):
        return content
    text = "\n\n" + "\n\n".join(lines)
    of_responses = any(isinstance(each, Mapping) and each.get("type") == "input_text" for each in content)
    return [*content, {"type": "input_text" if of_responses else "text", "text": text}]
