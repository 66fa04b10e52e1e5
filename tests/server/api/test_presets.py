"""Presets on the real server: every endpoint knows them, and /v1/models lists them."""

from typing import Any

import httpx
import pytest

from tests.conftest import PRESETS

QUESTION = "Find the smallest prime factor of 391."
CHAT = {"messages": [{"role": "user", "content": QUESTION}], "max_tokens": 200, "temperature": 0}
RESPONSE = {"input": QUESTION, "max_output_tokens": 200, "temperature": 0}


def post(client: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    reply = client.post(f"/v1/{path}", json={"model": "s1-nano", **body})
    assert reply.status_code == 200, reply.text
    answer: dict[str, Any] = reply.json()
    return answer


@pytest.mark.parametrize(
    "named",
    [{"model": "s1-nano:deep"}, {"reasoning_effort": "deep"}, {"reasoning": {"mode": "deep"}}],
    ids=["model", "effort", "mode"],
)
@pytest.mark.parametrize(
    ("path", "body"),
    [("chat/completions", CHAT), ("responses", RESPONSE), ("messages", CHAT)],
    ids=["chat", "responses", "messages"],
)
def test_preset_holds_on_every_endpoint_wherever_it_is_named(
    client: httpx.Client, path: str, body: dict[str, Any], named: dict[str, Any]
) -> None:
    answer = post(client, path, {**body, **named})
    report = answer["thinking"] if path != "chat/completions" else answer["choices"][0]["thinking"]
    assert (report["max_tokens"], report["num_waits"]) == (90, 2)
    assert report["waits_used"] == 2 or report["tokens"] == 90
    assert answer["model"] == "s1-nano"


def test_clients_own_maximum_beats_the_preset(client: httpx.Client) -> None:
    answer = post(client, "chat/completions", {**CHAT, "model": "s1-nano:deep", "thinking_budget": 8})
    assert answer["choices"][0]["thinking"]["tokens"] == 8


def test_preset_with_a_method_is_answered_from_many_samples(client: httpx.Client) -> None:
    answer = post(client, "chat/completions", {**CHAT, "temperature": 1, "model": "s1-nano:vote"})
    assert (answer["scaling"]["method"], len(answer["scaling"]["samples"])) == ("majority", 3)
    assert all(sample["thinking_tokens"] <= 16 for sample in answer["scaling"]["samples"])


@pytest.mark.parametrize("off", [{"enable_thinking": False}, {"thinking_budget": 0}], ids=["off", "none"])
def test_preset_draws_no_samples_where_nothing_is_thought(client: httpx.Client, off: dict[str, Any]) -> None:
    answer = post(client, "chat/completions", {**CHAT, **off, "temperature": 1, "model": "s1-nano:vote"})
    assert "scaling" not in answer
    assert answer["choices"][0]["thinking"]["tokens"] == 0


def test_preset_with_a_method_is_refused_where_there_is_none(client: httpx.Client) -> None:
    asked = {**RESPONSE, "model": "s1-nano:vote", "temperature": 1}
    reply = client.post("/v1/responses", json=asked)
    assert reply.status_code == 400
    assert "majority is for /v1/chat/completions only" in reply.text


def test_refusal_of_a_field_says_which_preset_asked_for_the_method(client: httpx.Client) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    asked = {**CHAT, "model": "s1-nano:vote", "temperature": 1, "tools": [tool], "tool_choice": "required"}
    reply = client.post("/v1/chat/completions", json=asked)
    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == "tools"
    assert "(model asks for it: the preset vote)" in reply.text


def test_tokenize_takes_the_name_of_a_preset(client: httpx.Client) -> None:
    told, plain = (
        client.post("/tokenize", json={**CHAT, "model": name}).json() for name in ("s1-nano:vote", "s1-nano")
    )
    assert told["tokens"] == plain["tokens"]


def test_models_list_the_presets_under_their_model(client: httpx.Client) -> None:
    models = client.get("/v1/models").json()["data"]
    assert [each["id"] for each in models] == ["s1-nano", *(f"s1-nano:{name}" for name in PRESETS)]
    assert [each.get("thinking_preset") for each in models] == [None, *PRESETS]
    assert {each["parent"] for each in models[1:]} == {"s1-nano"}
    assert {each["thinking_family"] for each in models} == {"think"}
