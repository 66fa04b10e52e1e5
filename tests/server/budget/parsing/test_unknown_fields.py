"""What no spelling reads: refused when it looks like a budget, passed on when it is somebody else's."""

import difflib
import json
from collections.abc import Sequence

import pytest

from server.budget.parsing.read import BudgetDefaults, read_budget
from tests.server.budget.parsing.bodies import Json, refused


@pytest.mark.parametrize(
    ("body", "field", "suggested"),
    [
        ({"thinking_budget": {"max_token": 5}}, "thinking_budget.max_token", "thinking_budget.max_tokens"),
        ({"thinking_budget": {"waits": 5}}, "thinking_budget.waits", "thinking_budget.num_waits"),
        ({"thinking_budget": {"zzz": 5}}, "thinking_budget.zzz", ""),
        ({"budget_forcing": {"rounds": 3}}, "budget_forcing.rounds", ""),
        (
            {"google": {"thinking_config": {"thinkingBudget": 5}}},
            "google.thinking_config.thinkingBudget",
            "google.thinking_config.thinking_budget",
        ),
        ({"thinking_bugdet": 5}, "thinking_bugdet", "thinking_budget"),
        ({"thinking_budgets": 5}, "thinking_budgets", "thinking_budget"),
        ({"reasoning_efort": "low"}, "reasoning_efort", "reasoning_effort"),
        ({"num_waits": 2}, "num_waits", "thinking_budget.num_waits"),
        ({"waits": 2}, "waits", "thinking_budget.num_waits"),
        ({"suppress": "nowait"}, "suppress", "thinking_budget.suppress"),
        ({"end_message": "So"}, "end_message", "thinking_budget.end_message"),
        ({"max_thoughts": 3}, "max_thoughts", ""),
        ({"thinking_config": {"thinking_budget": 3}}, "thinking_config", "google.thinking_config"),
        ({"reasoning": {"min_tokens": 3}}, "reasoning.min_tokens", ""),
        ({"thinking": {"token_budget": 3}}, "thinking.token_budget", "thinking_token_budget"),
        ({"thinking": {"budgetTokens": 3}}, "thinking.budgetTokens", "thinking.budget_tokens"),
        (
            {"chat_template_kwargs": {"max_thinking_tokens": 3}},
            "chat_template_kwargs.max_thinking_tokens",
            "",
        ),
        ({"vllm_xargs": {"thinking_budget": 3}}, "vllm_xargs.thinking_budget", "thinking_budget"),
        ({"extra_body": {"enable_thinking": False}}, "extra_body.enable_thinking", "enable_thinking"),
        ({"thinking_budget.max_tokens": 3}, "thinking_budget.max_tokens", ""),
        ({"reasoning.effort": "low"}, "reasoning.effort", ""),
    ],
    ids=lambda value: str(value)[:50],
)
def test_an_unknown_field_of_a_budget_is_refused_and_the_nearest_suggested(
    body: Json, field: str, suggested: str
) -> None:
    error = refused(body)
    assert error.field == field
    assert field in str(error)
    assert f"Did you mean {suggested}" in str(error) or not suggested


def test_fields_of_others_pass_through_unread() -> None:
    body: Json = {
        "messages": [{"role": "user", "content": "Hi", "thinking_budget": 5}],
        "max_tokens": 5,
        "min_tokens": 1,
        "stop": ["."],
        "reasoning": {"summary": "auto", "context": "auto"},
        "thinking": {"type": "disabled", "signature": "x"},
        "chat_template_kwargs": {"thinking_mode": "x", "preserve_thinking": True, "thinking": False},
        "nvext": {"annotations": ["x"]},
        "reasoning_format": "none",
        "vllm_xargs": {"seed": 5},
        "metadata": {"budget": 5},
        "options": {"temperature": 0},
    }
    switches = {"enable_thinking": False, "thinking": False}
    assert read_budget(body, BudgetDefaults()).body == {
        **body,
        "chat_template_kwargs": {"thinking_mode": "x", "preserve_thinking": True, **switches},
    }


def test_an_error_can_always_be_sent() -> None:
    bodies: list[Json] = [
        {"\ud800 thinking budget": 1},
        {"reasoning_effort": "\ud800"},
        {"model": "m:a=\ud800"},
    ]
    for body in bodies:
        error = refused(body)
        assert json.loads(json.dumps([error.field, str(error)], ensure_ascii=False).encode("utf-8"))


@pytest.mark.parametrize("key", ["reason{}", "my_thinking_{}", "effort{}x"])
def test_many_fields_about_thinking_are_refused_after_a_few_comparisons(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = 0
    compare = difflib.get_close_matches

    def counting(word: str, possibilities: Sequence[str], n: int = 3, cutoff: float = 0.6) -> list[str]:
        nonlocal compared
        compared += 1
        return compare(word, possibilities, n, cutoff)

    monkeypatch.setattr(difflib, "get_close_matches", counting)
    error = refused({key.format(at): 1 for at in range(10_000)})
    assert error.field.startswith(key.partition("{")[0])
    assert compared < 50


def test_unknown_fields_about_other_things_are_none_of_ours_however_many() -> None:
    body: Json = {f"field{at}": 1 for at in range(5000)}
    assert read_budget(body, BudgetDefaults()).body == body
