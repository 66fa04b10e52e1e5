"""Tells the model its budget: a line behind the last question of a conversation."""

from collections.abc import Mapping
from typing import Any

from server.api.errors import ANTHROPIC_PATH
from server.api.histories import RESPONSES_PATH, by_conversation
from server.budget.budget import BudgetError
from server.budget.parsing.read import ReadBudget
from server.budget.parsing.spellings import TASK
from server.budget.parsing.values import TokensLeft
from server.reasoning.family import Family

TASK_LINE = "The whole task may take up to {tokens} tokens."
LEFT_LINE = "Of the whole task {tokens} tokens are left."


def announce(
    path: str, body: dict[str, Any], read: ReadBudget, family: Family | None, *, is_alone: bool = True
) -> None:
    """Put the lines that a request wants told into it; its messages are replaced, not changed.

    What stands before the last question stays as it was, so that a prefix cache still holds it. The
    operator's word is kept where it can be: where there is a question, and one sample is asked for by itself.

    Args:
        path: The endpoint's.
        body: The request for vLLM.
        read: Its budget.
        family: The model's.
        is_alone: Whether no method of scaling, and no beam search, asks for more than this.

    Raises:
        BudgetError: The client wants something told, and the request has no question to tell it behind.
    """
    lines, wish = [], read.announced_by
    if read.budget.announces and family is not None and (wish or is_alone):
        lines.append(family.announcement.format(tokens=read.budget.max_tokens))
    if read.task_tokens is not None:
        line = LEFT_LINE if isinstance(read.task_tokens, TokensLeft) else TASK_LINE
        lines.append(line.format(tokens=read.task_tokens))
        wish = wish or TASK.spellings[0].name
    if not lines:
        return
    field = "input" if path == RESPONSES_PATH else "messages"
    conversation = body.get(field)
    insisted = None if body.get("previous_response_id") else wish  # there its question is in what is stored
    if isinstance(conversation, str):
        body[field] = _with(path, conversation, lines)
    elif isinstance(conversation, list):
        body[field] = by_conversation(conversation, lambda each: _told(path, each, lines, insisted))
    elif conversation is None and wish is not None:
        raise BudgetError(wish, f"{wish}: a prompt is sent as it is; write the budget into it.")


def _told(path: str, messages: list[Any], lines: list[str], insisted: str | None) -> list[Any]:
    for at in range(len(messages) - 1, -1, -1):
        message = messages[at]
        if isinstance(message, Mapping) and message.get("role") == "user" and _asks(path, message):
            told = {**message, "content": _with(path, message.get("content"), lines)}
            return [*messages[:at], told, *messages[at + 1 :]]
    if insisted is not None:
        raise BudgetError(insisted, f"{insisted}: the conversation has no question to tell it behind.")
    return messages


def _asks(path: str, message: Mapping[str, Any]) -> bool:
    """Whether a user's message is more than tools' results, which Anthropic has users say."""
    content = message.get("content")
    if not path.startswith(ANTHROPIC_PATH) or not isinstance(content, list):
        return True
    return any(not isinstance(each, Mapping) or each.get("type") != "tool_result" for each in content)


def _joined(lines: list[str]) -> str:
    return "\n\n".join(lines)


def _with(path: str, content: Any, lines: list[str]) -> Any:
    """A message's content and the lines behind it; as it is where it is none, which vLLM says itself."""
    if isinstance(content, str):
        return f"{content}\n\n{_joined(lines)}" if content else _joined(lines)
    if not isinstance(content, list):
        return content
    kind = "input_text" if path == RESPONSES_PATH else "text"
    return [*content, {"type": kind, "text": f"\n\n{_joined(lines)}"}]
