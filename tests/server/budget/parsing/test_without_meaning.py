"""What other APIs say of thinking and means nothing here is refused by name; what asks for nothing passes."""

from typing import Any

import pytest

from server.budget.budget import BudgetError
from server.budget.parsing.read import BudgetDefaults, read_budget


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"reasoning": {"mode": "pro"}}, "reasoning.mode"),
        ({"reasoning": {"mode": 3, "effort": "low"}}, "reasoning.mode"),
    ],
)
def test_field_without_a_meaning_here_is_refused_by_its_own_name(body: dict[str, Any], field: str) -> None:
    with pytest.raises(BudgetError) as caught:
        read_budget(body, BudgetDefaults())
    assert caught.value.field == field
    assert field in str(caught.value)
    assert "Did you mean" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        {"reasoning": {"mode": "standard", "context": "auto", "summary": "auto"}},
        {"reasoning": {"mode": None, "context": None}},
        {"output_config": {"task_budget": None}},
    ],
)
def test_value_that_asks_for_nothing_passes(body: dict[str, Any]) -> None:
    assert not read_budget(body, BudgetDefaults()).asked


@pytest.mark.parametrize("holder", ["extra_args", "options", "sampling_params", "extra_body", "vllm_xargs"])
@pytest.mark.parametrize("key", ["max_thinking_tokens", "reasoning_budget", "thinking_budgets"])
def test_budget_in_another_object_is_refused_and_not_ignored(holder: str, key: str) -> None:
    with pytest.raises(BudgetError) as caught:
        read_budget({holder: {key: 4}}, BudgetDefaults())
    assert caught.value.field == f"{holder}.{key}"
