"""Whether a model opens thinking by itself, read off its chat template: its source, and what it renders."""

from typing import Any

from jinja2 import TemplateError

from server.budget.plan import Habit
from server.reasoning.families import Family

_ASKED = [{"role": "user", "content": "?"}]
_ON = {"enable_thinking": True, "thinking": True}
_OFF = {"enable_thinking": False, "thinking": False}


def habit_of(family: Family, tokenizer: Any, chat_template: str | None = None) -> Habit:
    """`tokenizer` is any of vLLM's; `chat_template` stands in for its own. Without a template thinking is
    taken to come when it is asked for, as with Mistral's tokenizers, whose effort is "none" by default."""
    template = chat_template or getattr(tokenizer, "chat_template", None)
    if isinstance(template, dict):
        template = template.get("default") or next(iter(template.values()), None)
    if not isinstance(template, str):
        return Habit.WHEN_TOLD
    if not any(mark.strip() in template for mark in (family.start, family.end)):
        return Habit.NEVER

    def rendered(**variables: bool) -> str:
        return str(
            tokenizer.apply_chat_template(
                _ASKED, chat_template=template, tokenize=False, add_generation_prompt=True, **variables
            )
        )

    try:
        by_default, on, off = rendered(), rendered(**_ON), rendered(**_OFF)
    except (TemplateError, TypeError, ValueError, LookupError, AttributeError):
        return Habit.WHEN_TOLD  # it cannot render a lone question
    return Habit.WHEN_TOLD if by_default == off != on else Habit.ALWAYS
