"""Request bodies for hypothesis: a real conversation, some fields beside it, and a few edits anywhere."""

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

from tests.server.api.every_endpoint import CHAT, COMPLETIONS, MESSAGES, RESPONSES
from tests.server.api.fuzz.seeds import FUNCTIONS, SCHEMA, SEEDS, Json

MAX_TOKENS = 12
LIMITS = {
    CHAT: "max_completion_tokens",
    COMPLETIONS: "max_tokens",
    RESPONSES: "max_output_tokens",
    MESSAGES: "max_tokens",
}
Path = tuple[str | int, ...]

BUDGETS = st.sampled_from(
    [
        0,
        4,
        4.0,
        -1,
        {"max_tokens": 4},
        {"num_waits": 1, "max_tokens": 8},
        {"min_tokens": 3},
        {"end_message": ""},
    ]
)
SAMPLING: dict[str, st.SearchStrategy[Any]] = {
    "stream": st.booleans(),
    "temperature": st.sampled_from([0, 0.7, 1.0, 2]),
    "top_p": st.sampled_from([1, 0.9, 0.1]),
    "top_k": st.sampled_from([-1, 5]),
    "thinking_budget": BUDGETS,
}
OPENAI: dict[str, st.SearchStrategy[Any]] = {
    **SAMPLING,
    "n": st.sampled_from([1, 2]),
    "seed": st.integers(0, 9),
    "stop": st.sampled_from(["17", ["\n", "a"], []]),
    "presence_penalty": st.sampled_from([0, 1.5]),
    "logit_bias": st.sampled_from([{}, {"5": 1.0}]),
    "min_tokens": st.sampled_from([0, 3]),
    "ignore_eos": st.booleans(),
    "stream_options": st.sampled_from([{"include_usage": True}, {"continuous_usage_stats": True}]),
    "return_token_ids": st.booleans(),
    "structured_outputs": st.sampled_from([{"regex": "[0-9]+"}, {"choice": ["a", "b"]}, {"json": SCHEMA}]),
    "reasoning_effort": st.sampled_from(["none", "low", "high"]),
    "user": st.just("ann"),
    "priority": st.just(0),
}
OPTIONS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    CHAT: {
        **OPENAI,
        "logprobs": st.booleans(),
        "top_logprobs": st.sampled_from([0, 2]),
        "tools": st.just([FUNCTIONS[CHAT]]),
        "tool_choice": st.sampled_from(["auto", "none", "required"]),
        "response_format": st.sampled_from(
            [
                {"type": "text"},
                {"type": "json_object"},
                {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}},
            ]
        ),
        "chat_template_kwargs": st.sampled_from([{}, {"enable_thinking": False}]),
        "parallel_tool_calls": st.booleans(),
        "metadata": st.just({"a": "b"}),
        "echo": st.booleans(),
        "include_reasoning": st.booleans(),
    },
    COMPLETIONS: {
        **OPENAI,
        "logprobs": st.sampled_from([0, 2]),
        "echo": st.booleans(),
        "suffix": st.none(),
        "add_special_tokens": st.booleans(),
        "prompt_logprobs": st.sampled_from([0, 1]),
    },
    RESPONSES: {
        **SAMPLING,
        "instructions": st.sampled_from(["Be brief.", None]),
        "reasoning": st.sampled_from([{"effort": "low"}, {"summary": "auto"}, {"max_tokens": 4}]),
        "text": st.sampled_from(
            [
                {"format": {"type": "text"}},
                {"format": {"type": "json_schema", "name": "a", "schema": SCHEMA}},
                {"verbosity": "low"},
            ]
        ),
        "tools": st.just([FUNCTIONS[RESPONSES]]),
        "tool_choice": st.sampled_from(["auto", "none", "required", {"type": "function", "name": "add"}]),
        "store": st.booleans(),
        "truncation": st.sampled_from(["auto", "disabled"]),
        "metadata": st.just({"a": "b"}),
        "service_tier": st.just("auto"),
        "top_logprobs": st.sampled_from([0, 2]),
        "max_tool_calls": st.just(1),
    },
    MESSAGES: {
        **SAMPLING,
        "stop_sequences": st.sampled_from([["17"], []]),
        "system": st.sampled_from(["Be brief.", [{"type": "text", "text": "Be brief."}]]),
        "thinking": st.sampled_from(
            [
                {"type": "enabled", "budget_tokens": 4},
                {"type": "disabled"},
                {"type": "adaptive", "display": "omitted"},
            ]
        ),
        "tools": st.just([FUNCTIONS[MESSAGES]]),
        "tool_choice": st.sampled_from([{"type": "auto"}, {"type": "any"}, {"type": "tool", "name": "add"}]),
        "metadata": st.just({"user_id": "ann"}),
        "output_config": st.sampled_from(
            [{"effort": "low"}, {"format": {"type": "json_schema", "schema": SCHEMA}}]
        ),
    },
}
"""Each is right by itself; two of them may contradict each other."""

NUMBERS = (0, -1, 1, 3, 1.5, 1e300, 2**31, 2**53 + 1, 2**63, -(2**63), 10**25, float("nan"), float("inf"))
TEXTS = ("", " ", "\x00", "\ud800", "<think>", "</think>", "<|im_end|>", "{", "[1]", "é" * 40, "auto", "null")
EMPTY: tuple[Any, ...] = (
    None,
    True,
    False,
    [],
    {},
    [[]],
    [None],
    {"": None},
    {"type": "text"},
    [{"type": "text"}],
)
JUNK = st.one_of(
    st.sampled_from(NUMBERS),
    st.sampled_from(TEXTS),
    st.sampled_from(EMPTY).map(deepcopy),
    st.text(max_size=8),
)


@st.composite
def bodies(draw: st.DrawFn, path: str) -> Json:
    """A body for `path`, of a few output tokens; most are edited once or twice, or not at all."""
    body = {"model": "s1-nano", **draw(st.sampled_from(SEEDS[path]))}
    names = draw(st.lists(st.sampled_from(sorted(OPTIONS[path])), max_size=4, unique=True))
    body |= {name: draw(OPTIONS[path][name]) for name in names}
    body = json.loads(json.dumps(body))  # where a value stands twice, an edit is of one of them
    body[LIMITS[path]] = draw(st.integers(1, MAX_TOKENS))
    for _ in range(draw(st.sampled_from([0, 0, 1, 1, 2]))):
        place = draw(st.sampled_from(sorted(_places(body), key=str)))
        _edit(draw, body, place)
    body[LIMITS[path]] = _few(body.get(LIMITS[path], MAX_TOKENS))
    return body


def _few(limit: Any) -> Any:
    """What is no number stays: the server has to say something to it."""
    is_number = isinstance(limit, int | float) and not isinstance(limit, bool)
    return min(limit, MAX_TOKENS) if is_number and limit == limit else limit


def _places(value: Any, at: Path = ()) -> Iterator[Path]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield (*at, name)
        yield from _places(inner, (*at, name))


def _edit(draw: st.DrawFn, body: Json, place: Path) -> None:
    """Take one value out, put another in its place, double it, wrap it, or add a field beside it."""
    inside: Any = body
    for step in place[:-1]:
        inside = inside[step]
    last: Any = place[-1]
    how = draw(st.sampled_from(["drop", "junk", "junk", "wrap", "text", "double", "add"]))
    if how == "drop":
        del inside[last]
    elif how == "junk":
        inside[last] = draw(JUNK)
    elif how == "wrap":
        inside[last] = [inside[last]]
    elif how == "text":
        inside[last] = json.dumps(inside[last])
    elif isinstance(inside, list):
        inside.insert(last, deepcopy(inside[last]))
    else:
        inside[draw(st.sampled_from(["type", "role", "content", "id", "name", "x"]))] = draw(JUNK)
