"""Tools that an agent sends with every request, on a server that was started without a flag."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from server.api.tool_choice import offers_tools, settle_tools
from tests.conftest import ServerProcess
from tests.server.api.every_endpoint import CHAT, MESSAGES, RESPONSES, STREAMED, asked, events

PARAMETERS = {"type": "object", "properties": {"n": {"type": "integer"}}}
FUNCTION = {"name": "factor", "description": "Factor a number.", "parameters": PARAMETERS}
OFFERED: dict[str, list[dict[str, Any]]] = {
    CHAT: [{"type": "function", "function": FUNCTION}],
    RESPONSES: [{"type": "function", **FUNCTION}],
    MESSAGES: [{"name": "factor", "description": "Factor a number.", "input_schema": PARAMETERS}],
}
INSISTING = ("required", {"type": "function", "function": {"name": "factor"}})


def settled(path: str, fields: dict[str, Any], *, are_read: bool = False) -> dict[str, Any]:
    body = dict(fields)
    settle_tools(path, body, are_read=are_read)
    return body


@pytest.mark.parametrize("choice", [{}, {"tool_choice": None}, {"tool_choice": "auto"}], ids=str)
def test_choice_of_the_model_is_none_where_its_calls_are_not_read(choice: dict[str, Any]) -> None:
    offered = {"tools": OFFERED[CHAT], **choice}
    assert settled(CHAT, offered) == {**offered, "tool_choice": "none"}
    assert settled(CHAT, offered, are_read=True) == offered
    assert settled(RESPONSES, offered) == offered


def test_anthropics_choice_has_a_form_of_its_own() -> None:
    offered: dict[str, Any] = {"tools": OFFERED[MESSAGES]}
    for more in ({}, {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}):
        assert settled(MESSAGES, {**offered, **more})["tool_choice"] == {"type": "none"}
    insisted = {**offered, "tool_choice": {"type": "any"}}
    assert settled(MESSAGES, insisted) == insisted


def test_none_in_either_form_offers_nothing() -> None:
    for choice in ("none", {"type": "none"}):
        assert not offers_tools({"tools": OFFERED[CHAT], "tool_choice": choice})
    assert offers_tools({"tools": OFFERED[CHAT]})


def test_choice_that_insists_stays() -> None:
    for choice in INSISTING:
        for tools in (OFFERED[CHAT], []):
            insisted = {"tools": tools, "tool_choice": choice}
            assert settled(CHAT, insisted) == insisted


def test_empty_list_offers_none() -> None:
    for are_read in (True, False):
        assert settled(CHAT, {"tools": []}, are_read=are_read) == {}
        assert settled(CHAT, {"tools": [], "tool_choice": "auto"}, are_read=are_read) == {}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    process = ServerProcess(tmp_path_factory.mktemp("plain") / "server.log")
    process.wait_until_ready()
    yield process
    process.stop()


@pytest.mark.engine
@STREAMED
@pytest.mark.parametrize("path", OFFERED)
@pytest.mark.parametrize("offered", [True, False], ids=["tools", "empty list"])
def test_request_of_an_agent_is_answered_by_a_server_without_flags(
    plain: ServerProcess, path: str, stream: bool, offered: bool
) -> None:
    body = asked(path, tools=OFFERED[path] if offered else [], stream=stream, thinking_budget=9)
    response = httpx.post(plain.url + path, json=body, timeout=300)
    assert response.status_code == 200, response.text
    if stream:
        assert not [event for event in events(response) if "error" in event]
    assert "Answer" in response.text


@pytest.mark.engine
@pytest.mark.parametrize("choice", INSISTING, ids=["required", "named"])
def test_call_that_is_insisted_on_is_held_without_a_parser(plain: ServerProcess, choice: Any) -> None:
    body = asked(CHAT, tools=OFFERED[CHAT], tool_choice=choice, thinking_budget=9)
    response = httpx.post(plain.url + CHAT, json=body, timeout=300)
    assert response.status_code == 200, response.text
    (answered,) = response.json()["choices"]
    assert answered["message"]["tool_calls"][0]["function"]["name"] == "factor"


@pytest.mark.engine
def test_start_says_how_tools_are_read(plain: ServerProcess) -> None:
    assert "tools    none: tool_choice auto means none" in plain.log.read_text()
