"""What `scaling` may say, and what it cannot be combined with: each mistake is told with its field."""

from dataclasses import replace
from typing import Any

import pytest

from server.budget.budget import BudgetError
from server.budget.parsing.defaults import BudgetDefaults
from server.budget.parsing.read import read_budget
from server.scaling.method import Fields
from server.scaling.methods.table import METHODS
from server.scaling.request import ScalingDefaults, ScalingRequest, budget_body, read_scaling, refuse_budget

MAJORITY = {"method": "majority", "n": 4}


def refused(body: dict[str, Any], defaults: ScalingDefaults | None = None) -> BudgetError:
    with pytest.raises(BudgetError) as caught:
        read_scaling(body, defaults or ScalingDefaults())
    return caught.value


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_waits", 2),
        ("min_tokens", 2),
        ("max_steps", 2),
        ("grace_tokens", 2),
        ("alpha_tokens", 0),
        ("on_loop", "close"),
    ],
)
def test_thinking_in_pieces_takes_no_budget_that_counts_over_the_whole_of_it(field: str, value: Any) -> None:
    method = replace(METHODS["majority"], in_pieces=True)
    read = read_budget({"thinking_budget": {"max_tokens": 9, field: value}}, BudgetDefaults())
    with pytest.raises(BudgetError) as caught:
        refuse_budget(ScalingRequest("tree", method, Fields()), read)
    assert caught.value.field == f"thinking_budget.{field}"


@pytest.mark.parametrize("field", ["enable_thinking", "think"])
def test_a_method_of_thinking_and_no_thinking_contradict_each_other(field: str) -> None:
    body = {"thinking_budget": "auto", field: False}
    wanted = read_scaling(body, ScalingDefaults())
    assert wanted is not None
    with pytest.raises(BudgetError, match="switched off") as caught:
        refuse_budget(wanted, read_budget(budget_body(body), BudgetDefaults()))
    assert caught.value.field == "thinking_budget"


def test_a_request_without_scaling_is_none_of_ours() -> None:
    assert read_scaling({"n": 4, "temperature": 0}, ScalingDefaults()) is None
    assert read_scaling({"scaling": None}, ScalingDefaults()) is None


def test_a_method_with_its_fields() -> None:
    wanted = read_scaling({"scaling": MAJORITY}, ScalingDefaults())
    assert wanted is not None
    assert wanted.name == "majority"
    assert wanted.fields.model_dump() == {"n": 4, "total_tokens": None}


@pytest.mark.parametrize(
    ("said", "field"),
    [
        (7, "scaling"),
        ("majority", "scaling"),
        ({}, "scaling.method"),
        ({"method": "majoriti", "n": 4}, "scaling.method"),
        ({"method": ["majority"]}, "scaling.method"),
        ({"method": "majority"}, "scaling"),
        ({"method": "majority", "n": 0}, "scaling.n"),
        ({"method": "majority", "n": 2.5}, "scaling.n"),
        ({"method": "majority", "n": "4"}, "scaling.n"),
        ({"method": "majority", "n": True}, "scaling.n"),
        ({"method": "majority", "n": 4, "k": 1}, "scaling.k"),
        ({"method": "majority", "total_tokens": 0}, "scaling.total_tokens"),
    ],
)
def test_a_mistake_is_told_with_its_field(said: Any, field: str) -> None:
    error = refused({"scaling": said})
    assert error.field == field
    assert field in str(error)


def test_an_unknown_field_is_told_what_is_known() -> None:
    assert "which takes n, total_tokens" in str(refused({"scaling": {"method": "majority", "N": 4}}))


def test_n_above_the_ceiling_is_refused_and_the_ceiling_is_named() -> None:
    error = refused({"scaling": {"method": "majority", "n": 9}}, ScalingDefaults(max_samples=8))
    assert error.field == "scaling.n"
    assert "(8)" in str(error)


@pytest.mark.parametrize(
    ("beside", "field"),
    [
        ({"n": 2}, "n"),
        ({"use_beam_search": True}, "use_beam_search"),
        ({"temperature": 0}, "temperature"),
        ({"temperature": 0.0}, "temperature"),
        ({"temperature": "0"}, "temperature"),
        ({"seed": "5"}, "seed"),
        ({"max_tokens": -5}, "max_tokens"),
        ({"max_completion_tokens": "50"}, "max_completion_tokens"),
        ({"stream": "false"}, "stream"),
        ({"stream": True, "stream_options": 5}, "stream_options"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        (
            {"stream": True, "stream_options": {"continuous_usage_stats": True}},
            "stream_options.continuous_usage_stats",
        ),
        ({"tools": [{"type": "function"}]}, "tools"),
    ],
)
def test_what_cannot_be_kept_beside_it_is_named(beside: dict[str, Any], field: str) -> None:
    assert refused({"scaling": MAJORITY, **beside}).field == field


@pytest.mark.parametrize(
    "body",
    [
        {"scalling": MAJORITY},
        {"Scaling": MAJORITY},
        {"beyond_context": "summarize"},
        {"extra_body": {"scaling": MAJORITY}},
    ],
)
def test_a_field_that_was_meant_to_be_ours_is_not_ignored(body: dict[str, Any]) -> None:
    error = refused(body)
    assert error.field.partition(".")[0] in body
    assert "Did you mean" in str(error)


@pytest.mark.parametrize(
    "beside",
    [
        {"n": 1},
        {"n": None},
        {"temperature": 0.6},
        {"tools": [{}], "tool_choice": "none"},
        {"tools": []},
        {"rope_scaling": 2},
    ],
)
def test_what_can_be_kept_beside_it_is_kept(beside: dict[str, Any]) -> None:
    assert read_scaling({"scaling": MAJORITY, **beside}, ScalingDefaults()) is not None


def test_a_model_that_is_greedy_by_default_needs_a_temperature() -> None:
    greedy = ScalingDefaults(temperature=0.0)
    assert refused({"scaling": MAJORITY}, greedy).field == "temperature"
    assert read_scaling({"scaling": MAJORITY, "temperature": 1}, greedy) is not None


def test_every_method_says_in_its_fields_what_it_takes() -> None:
    for name, method in METHODS.items():
        assert "method" not in method.fields.model_fields, name
