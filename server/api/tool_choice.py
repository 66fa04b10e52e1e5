"""What becomes of the tools that a request offers where no parser reads the model's calls.

Agents and chat front ends send tools with every request and leave the choice to the model. vLLM answers a 400
then, of which nobody can make anything who started the server without flags.
"""

from collections.abc import Mapping
from typing import Any

from server.api.errors import ANTHROPIC_PATH
from server.api.histories import RESPONSES_PATH


def settle_tools(path: str, body: dict[str, Any], *, are_read: bool) -> None:
    """In place. `are_read`: whether the server has a parser for the model's tool calls.

    An empty list offers none, which vLLM refuses to be told. The model's choice is none where its calls would
    not be read; a choice that insists on a call is held by a grammar, and stays.
    """
    if body.get("tools") == [] and _is_auto(body.get("tool_choice", "none")):
        body.pop("tools")
        body.pop("tool_choice", None)
    if are_read or not body.get("tools") or not _is_auto(body.get("tool_choice")):
        return
    if path.startswith(ANTHROPIC_PATH):
        body["tool_choice"] = {"type": "none"}
    elif path != RESPONSES_PATH:  # there vLLM takes them as they come
        body["tool_choice"] = "none"


def offers_tools(body: Mapping[str, Any]) -> bool:
    """Whether the model may call any."""
    return bool(body.get("tools")) and _kind(body.get("tool_choice")) != "none"


def _is_auto(choice: Any) -> bool:
    """Whether it is left to the model, or there is none to be made."""
    return _kind(choice) in (None, "auto", "none")


def _kind(choice: Any) -> Any:
    """Anthropic's is an object, which may say more."""
    return choice.get("type") if isinstance(choice, dict) else choice
