"""What a chat template makes of thinking, read off its source and off what it renders."""

from collections.abc import Mapping
from typing import Any

from jinja2 import TemplateError

from server.budget.parsing.forward import ENGINE_EFFORTS
from server.budget.plan import Habit
from server.reasoning.families import Family

_ASKED = [{"role": "user", "content": "?"}]
_ON: Mapping[str, object] = {"enable_thinking": True, "thinking": True}
_OFF: Mapping[str, object] = {"enable_thinking": False, "thinking": False}
_NO_WORD = "qxzzy"
"""An effort that no template knows."""
_PRINTED = frozenset({"low", "medium", "high"})
"""The efforts that a template which prints any word was made for (gpt-oss)."""
_CANNOT_RENDER = (TemplateError, TypeError, ValueError, LookupError, AttributeError)


def habit_of(family: Family, tokenizer: Any, chat_template: str | None = None) -> Habit:
    """Whether the model opens thinking by itself; `chat_template` stands in for the tokenizer's own.

    Without a template thinking is taken to come when it is asked for, as with Mistral's tokenizers, whose
    effort is "none" by default.
    """
    template = _source(tokenizer, chat_template)
    if template is None:
        return Habit.WHEN_TOLD
    if not any(mark.strip() in template for mark in (family.start, family.end)):
        return Habit.NEVER
    try:
        by_default, on, off = (_rendered(tokenizer, template, said) for said in ({}, _ON, _OFF))
    except _CANNOT_RENDER:
        return Habit.WHEN_TOLD  # it cannot render a lone question
    return Habit.WHEN_TOLD if by_default == off != on else Habit.ALWAYS


def efforts_of(tokenizer: Any, chat_template: str | None = None) -> frozenset[str] | None:
    """The words that the template's `reasoning_effort` knows; None where it reads none.

    Known is what it renders, and in another way than a word that nobody knows.
    """
    template = _source(tokenizer, chat_template)
    if template is None or "reasoning_effort" not in template:
        return None
    unknown = _with_effort(tokenizer, template, _NO_WORD)
    if unknown is not None and _NO_WORD in unknown:
        return _PRINTED
    rendered = {word: _with_effort(tokenizer, template, word) for word in ENGINE_EFFORTS}
    return frozenset(word for word, text in rendered.items() if text not in (None, unknown))


def _source(tokenizer: Any, chat_template: str | None) -> str | None:
    template = chat_template or getattr(tokenizer, "chat_template", None)
    if isinstance(template, dict):
        template = template.get("default") or next(iter(template.values()), None)
    return template if isinstance(template, str) else None


def _with_effort(tokenizer: Any, template: str, word: str) -> str | None:
    """None where the template refuses the word."""
    try:
        return _rendered(tokenizer, template, {**_ON, "reasoning_effort": word})
    except _CANNOT_RENDER:
        return None


def _rendered(tokenizer: Any, template: str, variables: Mapping[str, object]) -> str:
    return str(
        tokenizer.apply_chat_template(
            _ASKED, chat_template=template, tokenize=False, add_generation_prompt=True, **variables
        )
    )
