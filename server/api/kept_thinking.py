"""The thinking in a conversation that is sent back: what of it the model is shown again.

A chat template decides it, mostly by leaving out what stands before the last question. Here it is taken out
of the request where less is wanted, and the template is told by its own variable where more is.
"""

from collections.abc import Callable, Mapping
from typing import Any

from server.api.errors import ANTHROPIC_PATH
from server.api.histories import RESPONSES_PATH, by_conversation
from server.budget.budget import BudgetError
from server.budget.parsing.forward import TemplateVariables
from server.budget.parsing.keep import KWARGS, Keep, keep_of, wishes_all
from server.reasoning.family import Family, cut_at

Item = dict[str, Any]
_FIELDS = ("reasoning", "reasoning_content")
_BLOCKS = ("thinking", "redacted_thinking")
_PARTS = ("thinking", "reasoning")


def settle_thinking(
    path: str, body: Item, default: Keep | None, template: TemplateVariables, family: Family | None
) -> None:
    """Make the conversation in `body`, a request for vLLM, hold what is to be kept; in place.

    `default`: the server's; None leaves it to the chat template.

    Raises:
        BudgetError: The request asks for what the chat template cannot show, or is wrong in itself.
    """
    asked = keep_of(body)
    if isinstance(reasoning := body.get("reasoning"), Mapping) and "context" in reasoning:
        body["reasoning"] = {name: value for name, value in reasoning.items() if name != "context"}
    keep = default if asked is None else asked.keep
    if keep is Keep.ALL:
        if not template.shows_earlier:
            _tell(body, template, asked.where if asked else None)
        if asked is not None and body.get("previous_response_id"):
            raise BudgetError(
                asked.where,
                f"{asked.where}: what an earlier response thought is not shown again by previous_response_id:"
                " send the conversation itself.",
            )
    elif keep is None and wishes_all(body):
        _tell(body, template, None)
    elif keep is not None and (keep is Keep.NONE or template.shows_earlier is not False):
        _strip(path, body, family, since_too=keep is Keep.NONE)


def refuse_kept(body: Mapping[str, Any]) -> None:
    """Of a request without a conversation.

    Raises:
        BudgetError: It asks for thinking of earlier turns to be shown.
    """
    asked = keep_of(body)
    if asked is not None and asked.keep is Keep.ALL:
        raise BudgetError(asked.where, f"{asked.where}: a prompt has no turns, and no thinking of them.")


def describe_kept(keep: Keep, template: TemplateVariables) -> str:
    """What the server's word comes to with this chat template."""
    if keep is Keep.ALL and not template.shows_earlier and template.shows_earlier_by is None:
        return "all, but the chat template cannot: what was thought before the last question is left out"
    return f"{keep}: what was thought in a conversation that the model is shown again"


def _tell(body: Item, template: TemplateVariables, where: str | None) -> None:
    """`where`: the request's field; None where it asks for nothing itself.

    Raises:
        BudgetError: The request asks for what the template cannot show.
    """
    if template.shows_earlier_by is None:
        if where is None:
            return
        raise BudgetError(
            where,
            f"{where}: this model's chat template leaves out what was thought before the last question, and"
            " has no variable for it.",
        )
    name, value = template.shows_earlier_by
    given = body.get(KWARGS)
    own = given if isinstance(given, Mapping) else {}
    body[KWARGS] = {name: value, **own}  # the request's own word wins


def _strip(path: str, body: Item, family: Family | None, *, since_too: bool) -> None:
    field, is_question, without = _ways(path, family)
    messages = body.get(field)
    if isinstance(messages, list):
        body[field] = by_conversation(
            messages, lambda each: _stripped(each, is_question, without, since_too=since_too)
        )


Without = Callable[[Item], Item | None]


def _ways(path: str, family: Family | None) -> tuple[str, Callable[[Item], bool], Without]:
    """The conversation's field, what a user's question is in it, and an item without its thinking."""
    if path == RESPONSES_PATH:
        return "input", lambda item: item.get("role") == "user", _of_item
    if path.startswith(ANTHROPIC_PATH):
        return "messages", _asks, _of_blocks
    return "messages", lambda message: message.get("role") == "user", lambda each: _of_message(each, family)


def _stripped(
    messages: list[Any], is_question: Callable[[Item], bool], without: Without, *, since_too: bool
) -> list[Any]:
    asked = [at for at, each in enumerate(messages) if isinstance(each, dict) and is_question(each)]
    end = len(messages) if since_too else (asked[-1] if asked else 0)
    changed = [without(each) if isinstance(each, dict) else each for each in messages[:end]]
    return [*(each for each in changed if each is not None), *messages[end:]]


def _asks(message: Item) -> bool:
    """Whether a user's message of Anthropic's is no tool's result."""
    content = message.get("content")
    blocks = content if isinstance(content, list) else []
    return message.get("role") == "user" and not any(_kind(each) == "tool_result" for each in blocks)


def _kind(block: object) -> object:
    return block.get("type") if isinstance(block, Mapping) else None


def _of_item(item: Item) -> Item | None:
    return None if item.get("type") == "reasoning" else item


def _of_blocks(message: Item) -> Item | None:
    content = message.get("content")
    if message.get("role") != "assistant" or not isinstance(content, list):
        return message
    left = [block for block in content if _kind(block) not in _BLOCKS]
    return {**message, "content": left} if left else None


def _of_message(message: Item, family: Family | None) -> Item | None:
    if message.get("role") != "assistant":
        return message
    left = {name: value for name, value in message.items() if name not in _FIELDS}
    content = left.get("content")
    if isinstance(content, str):
        left["content"] = _answer_of(content, family)
    elif isinstance(content, list):
        parts = [part for part in content if _kind(part) not in _PARTS]
        left["content"] = [
            {**part, "text": _answer_of(part["text"], family)} if _is_text(part) else part for part in parts
        ]
    return left


def _is_text(part: object) -> bool:
    return isinstance(part, Mapping) and isinstance(part.get("text"), str)


def _answer_of(text: str, family: Family | None) -> str:
    """What stands behind a thought that the text begins with, whose start mark the prompt may have had."""
    if family is None:
        return text
    thought, delimiter, answer = cut_at(text, family.ends)
    before, mark, _ = cut_at(thought, family.starts)
    return text if not delimiter or (mark and before.strip()) else answer
