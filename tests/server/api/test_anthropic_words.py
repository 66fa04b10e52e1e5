"""Anthropic's words for thinking: each that vLLM's /v1/messages knows is known here, before vLLM sees it."""

from typing import get_args

from vllm.entrypoints.anthropic.protocol import (
    AnthropicEffort,
    AnthropicThinkingConfig,
    AnthropicThinkingDisplay,
)

from server.budget.parsing.defaults import BudgetDefaults
from server.budget.parsing.values import DISPLAYS, THINKING_TYPES


def test_every_word_for_what_is_shown_of_it_is_known() -> None:
    assert set(DISPLAYS) == set(get_args(AnthropicThinkingDisplay))


def test_every_effort_and_every_type_is_known() -> None:
    assert set(get_args(AnthropicEffort)) <= set(BudgetDefaults().efforts)
    union = get_args(AnthropicThinkingConfig)[0]
    types = {word for each in get_args(union) for word in get_args(each.model_fields["type"].annotation)}
    assert types == set(THINKING_TYPES)
