"""What the server decides before any request: the default budget, the ceiling, each effort's tokens."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from server.budget.budget import TENTH, UNLIMITED, ThinkingBudget
from server.budget.parsing.forward import ANY_TEMPLATE, TemplateVariables
from server.budget.parsing.presets import Preset
from server.budget.parsing.values import (
    end_message,
    grace,
    nudges,
    steps,
    suppressed,
    tokens,
    tokens_or_unlimited,
    waits,
)

NO_EFFORT = "none"
"""The effort that switches thinking off."""

# The words are those of OpenAI's client and of vLLM's `reasoning_effort`. The peers' numbers differ:
#   LiteLLM       minimal 128, low 1024, medium 2048, high 4096
#   Gemini 2.5    low 1024, medium 8192, high 24576
#   vllm#55382    minimal 1024, low 4096, medium 16384, high 32768, xhigh 65536
# low is where LiteLLM and Gemini agree; medium and high lie between LiteLLM and Gemini, a factor of four a
# step; minimal halves low and xhigh doubles high, in which a hard competition problem still ends.
EFFORTS: Mapping[str, int] = MappingProxyType(
    {
        NO_EFFORT: 0,
        "minimal": 512,
        "low": 1024,
        "medium": 4096,
        "high": 16384,
        "xhigh": 32768,
        "max": UNLIMITED,
    }
)


@dataclass(frozen=True, slots=True)
class BudgetDefaults:
    """The operator's side of a budget, in tokens.

    Raises:
        ValueError: A number is out of range, or two contradict each other.
    """

    default: ThinkingBudget = field(default_factory=ThinkingBudget)
    """What holds where the client said nothing (--default-thinking-budget)."""
    ceiling: int | None = None
    """No maximum is above it (--max-thinking-budget); None: no ceiling."""
    ceiling_name: str = "the server's ceiling, --max-thinking-budget"
    efforts: Mapping[str, int] = field(default_factory=lambda: EFFORTS)
    """Effort word to maximum; -1 is unlimited. "none" is always 0: it switches thinking off."""
    template: TemplateVariables = ANY_TEMPLATE
    """What the model's chat template reads."""
    presets: Mapping[str, Preset] = field(default_factory=dict)
    """By the name that a client sends."""
    must_think: bool = False
    """Whether `default` is a preset's that asks for thinking: the chat template is told to think."""

    def under(self, preset: Preset) -> "BudgetDefaults":
        """What holds for a request that names the preset.

        Raises:
            ValueError: Its minimum is above the ceiling.
        """
        return replace(self, default=preset.over(self.default), must_think=preset.wants_thinking)

    def __post_init__(self) -> None:
        _check_ranges(self.default)
        if self.ceiling is not None:
            tokens("the ceiling", self.ceiling)
        for effort, maximum in self.efforts.items():
            tokens_or_unlimited(f"effort {effort}", maximum)
        if self.efforts.get(NO_EFFORT, 0) != 0:
            raise ValueError(f'effort "{NO_EFFORT}" switches thinking off: it must be 0')
        for what, bound in (("maximum", self.default.max_tokens), ("ceiling", self.ceiling)):
            if bound not in (None, UNLIMITED) and (self.default.min_tokens or 0) > bound:
                raise ValueError(f"the default minimum {self.default.min_tokens} is above the {what} {bound}")


def _check_ranges(default: ThinkingBudget) -> None:
    if default.max_tokens is not None:
        tokens_or_unlimited("the default max_tokens", default.max_tokens)
    if default.min_tokens is not None:
        tokens("the default min_tokens", default.min_tokens)
    if default.num_waits is not None:
        waits("the default num_waits", default.num_waits)
    if default.nudge is not None:
        nudges("the default nudge", list(default.nudge))
    if default.end_message is not None:
        end_message("the default end_message", default.end_message)
    if default.answer_reserve_tokens is not None:
        tokens("the default answer_reserve_tokens", default.answer_reserve_tokens)
    if default.max_steps is not None:
        steps("the default max_steps", default.max_steps)
    if default.grace_tokens is not None and default.grace_tokens != TENTH:
        grace("the default grace_tokens", default.grace_tokens)
    if default.suppress is not None:
        suppressed("the default suppress", list(default.suppress))
    if default.alpha_tokens is not None:
        tokens("the default alpha_tokens", default.alpha_tokens)
