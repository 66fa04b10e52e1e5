"""The body that vLLM gets: what it reads stays or is moved to where it reads it; no budget is left in it."""

import ast
import copy
from importlib.util import find_spec
from pathlib import Path

import pytest

from server.budget.budget import ThinkingBudget
from server.budget.parsing.forward import TemplateVariables
from server.budget.parsing.read import BudgetDefaults
from server.budget.parsing.spellings import MAXIMUM, SPELLINGS, Spelling
from tests.server.budget.parsing.bodies import Json, read

ON: Json = {"enable_thinking": True, "thinking": True}
OFF: Json = {"enable_thinking": False, "thinking": False}


@pytest.mark.parametrize(
    ("body", "forwarded"),
    [
        ({"thinking_budget": {"max_tokens": 5}, "n": 2}, {"n": 2, "chat_template_kwargs": ON}),
        ({"thinking_token_budget": 5}, {"chat_template_kwargs": ON}),
        ({"thinking_budget": -1}, {"chat_template_kwargs": ON}),
        ({"thinking_budget": 0}, {}),
        ({"thinking_budget": {"num_waits": 2}}, {"chat_template_kwargs": ON}),
        ({"thinking_budget": {"min_tokens": 9}}, {"chat_template_kwargs": ON}),
        ({"thinking_budget": {"nudge": "Hm"}}, {}),
        ({"custom_params": {"thinking_budget": 5, "x": 1}, "nvext": {"max_thinking_tokens": 5}},
         {"custom_params": {"x": 1}, "chat_template_kwargs": ON}),
        ({"extra_body": {"google": {"thinking_config": {"thinking_budget": 5}}}},
         {"chat_template_kwargs": ON}),
        ({"reasoning": {"max_tokens": 5, "exclude": True, "summary": "auto"}},
         {"reasoning": {"summary": "auto"}, "chat_template_kwargs": ON}),
        ({"chat_template_kwargs": {"thinking_budget": 5}},
         {"chat_template_kwargs": {"thinking_budget": 5, **ON}}),
        ({"enable_thinking": True}, {"chat_template_kwargs": ON}),
        ({"think": False, "chat_template_kwargs": {"x": 1}},
         {"chat_template_kwargs": {"x": 1, **OFF}}),
        ({"think": "low"}, {"chat_template_kwargs": {**ON, "reasoning_effort": "low"}}),
        ({"reasoning_effort": "none"},
         {"reasoning_effort": "none",
          "chat_template_kwargs": {**OFF, "reasoning_effort": "none"}}),
        ({"reasoning": {"effort": "high", "enabled": True}},
         {"reasoning": {"effort": "high"},
          "chat_template_kwargs": {**ON, "reasoning_effort": "high"}}),
        ({"thinking": {"type": "enabled", "budget_tokens": 100, "display": "omitted"}},
         {"thinking": {"type": "adaptive", "display": "omitted"},
          "chat_template_kwargs": ON}),
        ({"thinking": {"type": "enabled", "budget_tokens": 2048}},
         {"thinking": {"type": "adaptive"}, "chat_template_kwargs": ON}),
        ({"thinking": {"budget_tokens": 100}},
         {"thinking": {"type": "adaptive"}, "chat_template_kwargs": ON}),
        ({"thinking": {"budget_tokens": 0}, "enable_thinking": False},
         {"thinking": {"type": "disabled"}, "chat_template_kwargs": OFF}),
        ({"thinking": {"type": "disabled", "budget_tokens": 0}},
         {"thinking": {"type": "disabled"}, "chat_template_kwargs": OFF}),
        ({"include_reasoning": False}, {"include_reasoning": False}),
        ({"reasoning": None, "thinking": None}, {"reasoning": None, "thinking": None}),
    ],
    ids=str,
)  # fmt: skip
def test_the_body_for_vllm_has_what_vllm_reads_and_no_budget(body: Json, forwarded: Json) -> None:
    assert read(body).body == forwarded


def test_an_operators_own_effort_reaches_the_template_and_not_vllms_list_of_words() -> None:
    body: Json = {"reasoning_effort": "brief", "reasoning": {"effort": "brief"}}
    got = read(body, BudgetDefaults(efforts={"brief": 9}))
    assert got.budget.max_tokens == 9
    assert got.body == {"chat_template_kwargs": {**ON, "reasoning_effort": "brief"}}


@pytest.mark.parametrize(
    "body",
    [
        {"reasoning_effort": "low"},
        {"reasoning": {"effort": "low"}},
        {"chat_template_kwargs": {"reasoning_effort": "low"}},
    ],
    ids=str,
)
def test_an_effort_that_the_template_does_not_know_stays_here(body: Json) -> None:
    got = read(body, BudgetDefaults(template=TemplateVariables(efforts=frozenset({"none", "high"}))))
    assert (got.budget.max_tokens, got.body) == (1024, {"chat_template_kwargs": ON})
    got = read(body, BudgetDefaults(template=TemplateVariables(efforts=frozenset({"low"}))))
    assert got.body["chat_template_kwargs"] == {**ON, "reasoning_effort": "low"}


TELLING = TemplateVariables(reads_budget=True)


@pytest.mark.parametrize("row", MAXIMUM.spellings, ids=lambda row: ".".join(row.path))
def test_every_spelling_of_a_maximum_reaches_a_template_that_tells_the_model(row: Spelling[int]) -> None:
    body: Json = {}
    place = body
    for key in row.path[:-1]:
        place[key] = place = {}
    place[row.path[-1]] = 700
    if row.path[0] == "model":
        body = {"model": f"{row.name}=700"}
    told = read(body, BudgetDefaults(template=TELLING)).body["chat_template_kwargs"]
    assert isinstance(told, dict)
    assert told["thinking_budget"] == 700


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"reasoning_effort": "low"}, 1024),
        ({"reasoning_effort": "max"}, None),
        ({"thinking_budget": -1}, None),
        ({"chat_template_kwargs": {"thinking_budget": -1}}, None),
        ({"chat_template_kwargs": {"thinking_budget": 90_000}}, 3000),
        ({"thinking_budget": 0}, 0),
        ({"enable_thinking": False}, 0),
        ({}, 2000),
    ],
    ids=str,
)
def test_the_template_is_told_what_holds_in_the_end(body: Json, told: int | None) -> None:
    """The default, the effort's number, the ceiling; no limit is told as nothing (LongCat has a least)."""
    is_limited = "max" not in str(body) and "-1" not in str(body)
    settings = BudgetDefaults(
        default=ThinkingBudget(max_tokens=2000), ceiling=3000 if is_limited else None, template=TELLING
    )
    variables = read(body, settings).body.get("chat_template_kwargs", {})
    assert isinstance(variables, dict)
    assert variables.get("thinking_budget") == told


def test_an_effort_switches_thinking_on_where_nothing_else_does() -> None:
    settings = BudgetDefaults(
        template=TemplateVariables(efforts=frozenset({"low", "high"}), on_effort="high")
    )
    high = {"chat_template_kwargs": {**ON, "reasoning_effort": "high"}}
    assert read({"thinking_budget": 9}, settings).body == high
    assert read({"enable_thinking": True}, settings).body == high
    assert read({"reasoning_effort": "max"}, settings).body == high
    assert read(
        {"thinking_budget": 9, "chat_template_kwargs": {"reasoning_effort": "low"}}, settings
    ).body == {"chat_template_kwargs": {**ON, "reasoning_effort": "low"}}
    assert read({"enable_thinking": False}, settings).body == {"chat_template_kwargs": OFF}
    assert read({"n": 1}, settings).body == {"n": 1}


def test_a_template_with_modes_is_told_its_words() -> None:
    settings = BudgetDefaults(template=TemplateVariables(modes={True: "enabled", False: "disabled"}))
    on, off = {**ON, "thinking_mode": "enabled"}, {**OFF, "thinking_mode": "disabled"}
    assert read({"thinking_budget": 9}, settings).body == {"chat_template_kwargs": on}
    assert read({"enable_thinking": False}, settings).body == {"chat_template_kwargs": off}
    assert read({"n": 1}, settings).body == {"n": 1}


def _fields_of_vllms_requests() -> dict[str, set[str]]:
    """Request class to its fields, by reading the source: to import vLLM takes a quarter of a minute."""
    spec = find_spec("vllm")
    assert spec is not None
    assert spec.origin is not None
    entrypoints = Path(spec.origin).parent / "entrypoints"
    files = ("openai/chat_completion", "openai/completion", "openai/responses", "anthropic")
    return {
        node.name: {line.target.id for line in node.body if _is_field(line)}  # type: ignore[attr-defined]
        for file in files
        for node in ast.parse((entrypoints / file / "protocol.py").read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and "Request" in node.name
    }


def _is_field(line: ast.stmt) -> bool:
    return isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)


def test_no_field_of_vllms_own_is_mistaken_for_a_budget() -> None:
    ours = {row.path[0] for row in SPELLINGS} | {"vllm_xargs"}
    for fields in _fields_of_vllms_requests().values():
        body: Json = dict.fromkeys(fields - ours, 1)
        assert read(body).body == body


def test_vllm_still_reads_what_is_forwarded_and_enforces_no_budget_that_is_not() -> None:
    requests = _fields_of_vllms_requests()
    assert "chat_template_kwargs" in requests["ChatCompletionRequest"]
    assert "chat_template_kwargs" in requests["ResponsesRequest"]
    assert "chat_template_kwargs" in requests["AnthropicMessagesRequest"]
    forwarded = {row.path[0] for row in SPELLINGS if row.forwarded}
    acted_on = set().union(*requests.values()) & {row.path[0] for row in SPELLINGS} - {"model"}
    assert acted_on - forwarded == {"thinking_token_budget"}


def test_the_clients_body_is_never_changed_and_the_new_one_is_another() -> None:
    body: Json = {
        "model": "m:think=5",
        "think": True,
        "thinking": {"type": "enabled", "budget_tokens": 5},
        "chat_template_kwargs": {"thinking_budget": 5},
        "google": {"thinking_config": {"thinking_budget": 5}},
        "thinking_budget": {"nudge": ["Hm"]},
    }
    before = copy.deepcopy(body)
    got = read(body)
    assert body == before
    assert got.body is not body
    plain: Json = {"model": "m"}
    assert read(plain).body is not plain
