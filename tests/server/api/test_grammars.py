"""A grammar that no answer can follow is its client's mistake, whenever that turns out."""

import json
from typing import Any

import httpx
import pytest

from server.api.grammar_field import grammar_field
from tests.server.api.every_endpoint import (
    CHAT,
    COMPLETIONS,
    ENDPOINTS,
    MESSAGES,
    RESPONSES,
    STREAMED,
    asked,
    events,
    param_of,
)

CYCLE = {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}
NOTHING: list[dict[str, Any]] = [
    {"grammar": "root ::= root"},
    {"grammar": 'root ::= a "x"\na ::= b\nb ::= a'},
    {"grammar": "start: start"},
    {"json": {"$ref": "#"}},
    {"json": json.dumps(CYCLE)},
    {"regex": r"[^\s\S]"},
]
"""vLLM looks at them, and finds nothing wrong."""
MALFORMED: list[dict[str, Any]] = [{"grammar": "root ::= ("}, {"regex": "("}, {"json": {"enum": []}}]


@ENDPOINTS
@STREAMED
@pytest.mark.parametrize("grammar", [*NOTHING, *MALFORMED], ids=lambda grammar: str(grammar)[:40])
def test_grammar_that_matches_nothing_is_refused_before_anything_is_thought(
    client: httpx.Client, path: str, stream: bool, grammar: dict[str, Any]
) -> None:
    if path == MESSAGES:
        pytest.skip("it has no structured_outputs")
    response = client.post(path, json=asked(path, structured_outputs=grammar, stream=stream))
    assert response.status_code == 400, response.text
    assert param_of(response) == f"structured_outputs.{next(iter(grammar))}"


OF_ENDPOINT = [
    (
        CHAT,
        "response_format",
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": CYCLE}}},
    ),
    (
        COMPLETIONS,
        "response_format",
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": CYCLE}}},
    ),
    (RESPONSES, "text.format", {"text": {"format": {"type": "json_schema", "name": "a", "schema": CYCLE}}}),
    (
        MESSAGES,
        "output_config.format",
        {"output_config": {"format": {"type": "json_schema", "schema": CYCLE}}},
    ),
]


@STREAMED
@pytest.mark.parametrize(("path", "field", "more"), OF_ENDPOINT, ids=lambda value: str(value)[:30])
def test_schema_is_named_by_the_field_that_the_endpoint_has_for_it(
    client: httpx.Client, path: str, stream: bool, field: str, more: dict[str, Any]
) -> None:
    response = client.post(path, json=asked(path, stream=stream, **more))
    assert response.status_code == 400, response.text
    assert field in param_of(response)


DEAD_END = {"structured_outputs": {"grammar": 'root ::= "17" b\nb ::= b'}}
IMPOSSIBLE = {
    "type": "object",
    "properties": {"a": {"type": "string", "pattern": r"[^\s\S]"}},
    "required": ["a"],
}


@STREAMED
@pytest.mark.parametrize(
    ("path", "field", "more"),
    [
        (CHAT, "structured_outputs.grammar", DEAD_END),
        (COMPLETIONS, "structured_outputs.grammar", DEAD_END),
        (RESPONSES, "structured_outputs.grammar", DEAD_END),
        (
            MESSAGES,
            "output_config.format",
            {"output_config": {"format": {"type": "json_schema", "schema": IMPOSSIBLE}}},
        ),
    ],
    ids=["chat", "completions", "responses", "messages"],
)
def test_grammar_that_comes_to_a_dead_end_ends_with_the_same_error(
    client: httpx.Client, path: str, stream: bool, field: str, more: dict[str, Any]
) -> None:
    """What could be written until then has been streamed."""
    response = client.post(path, json=asked(path, **more, stream=stream, thinking_budget=0))
    if response.status_code == 200:
        assert stream
        error = next(each for each in events(response) if "error" in (*each, each.get("type")))
        error = error.get("error", error)
        assert {400, "BadRequestError", "invalid_request_error"}.intersection(
            (error.get("code"), error["type"])
        )
        assert field in (error.get("param") or error["message"])
    else:
        assert response.status_code == 400, response.text
        assert field in param_of(response)


def test_grammar_that_refers_to_itself_and_ends_is_followed(client: httpx.Client) -> None:
    grammar = 'root ::= "(" root ")" | "17"'
    body = client.post(
        CHAT, json=asked(CHAT, structured_outputs={"grammar": grammar}, thinking_budget=5)
    ).json()
    answer = body["choices"][0]["message"]["content"]
    assert answer.strip("(").startswith("17") or set(answer) == {"("}


REGEX = {"regex": "a"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "structured_outputs"),
        ({"tools": [{}]}, "tools"),
        ({"tools": [{}], "structured_outputs": {"regex": "a", "json": None}}, "structured_outputs.regex"),
        (
            {"structured_outputs": {"regex": "a"}, "response_format": {"type": "json_object"}},
            "response_format",
        ),
        (
            {"structured_outputs": {"regex": "a"}, "response_format": {"type": "text"}},
            "structured_outputs.regex",
        ),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format"),
        ({"text": "plain", "response_format": 3, "structured_outputs": []}, "structured_outputs"),
    ],
    ids=str,
)
def test_field_is_the_one_that_the_client_wrote(body: dict[str, Any], field: str) -> None:
    assert grammar_field(body) == field
