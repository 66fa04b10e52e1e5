"""What a request says of the thinking in its conversation: whether the model is shown it again."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from server.budget.budget import BudgetError
from server.budget.parsing.values import shown, switch

KWARGS = "chat_template_kwargs"
_CLEARING = "clear_thinking_20251015"
"""Anthropic's edit of a context, which Claude Code sends with every request."""


class Keep(StrEnum):
    """What is kept of it."""

    NONE = "none"
    TOOLS = "tools"
    """What was thought since the last question: between the calls of tools."""
    ALL = "all"


@dataclass(frozen=True, slots=True)
class AskedKeep:
    """What a request asks for, and the field by which it does."""

    where: str
    keep: Keep


def keep_of(body: Mapping[str, Any]) -> AskedKeep | None:
    """What the request itself asks for; None: nothing.

    Raises:
        BudgetError: A field is not as it should be, or two disagree.
    """
    found = [
        *_of_context(body.get("reasoning")),
        *_of_variable(body.get(KWARGS), "preserve_thinking", Keep.ALL, Keep.TOOLS),
        *_of_variable(body.get(KWARGS), "clear_thinking", Keep.TOOLS, Keep.ALL),
    ]
    for other in found[1:]:
        if other.keep is not found[0].keep:
            raise BudgetError(
                other.where, f"{found[0].where} ({found[0].keep}) and {other.where} ({other.keep}) disagree."
            )
    return found[0] if found else None


_CONTEXTS = {"auto": None, "current_turn": Keep.TOOLS, "all_turns": Keep.ALL}


def _of_context(reasoning: object) -> list[AskedKeep]:
    value = reasoning.get("context") if isinstance(reasoning, Mapping) else None
    if value is None:
        return []
    if not isinstance(value, str) or value not in _CONTEXTS:
        raise BudgetError(
            "reasoning.context",
            f"reasoning.context must be one of {', '.join(_CONTEXTS)}, not {shown(value)}.",
        )
    keep = _CONTEXTS[value]
    return [] if keep is None else [AskedKeep("reasoning.context", keep)]


def _of_variable(variables: object, name: str, on: Keep, off: Keep) -> list[AskedKeep]:
    value = variables.get(name) if isinstance(variables, Mapping) else None
    if value is None:
        return []
    where = f"{KWARGS}.{name}"
    return [AskedKeep(where, on if switch(where, value) else off)]


def wishes_all(body: Mapping[str, Any]) -> bool:
    """Whether Anthropic's edit says to keep it all.

    Claude Code says so whatever model it talks to: it is a wish, and no server that cannot refuses it.
    """
    management = body.get("context_management")
    found = management.get("edits") if isinstance(management, Mapping) else None
    edits = found if isinstance(found, list) else []
    asked = [(each.get("type"), each.get("keep")) for each in edits if isinstance(each, Mapping)]
    return (_CLEARING, "all") in asked
