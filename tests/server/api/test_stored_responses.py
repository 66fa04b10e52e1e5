"""Responses are kept so many, so long, so large, with their conversation, and each for its own key."""

from typing import Any

import httpx
import pytest

from server.api.stored_responses import CONVERSATIONS, RESPONSES, ResponseStore, View
from server.engine.client.call import CALL, Call
from tests.server.api.every_endpoint import RESPONSES as PATH
from tests.server.api.every_endpoint import STREAMED, asked, events


class Response:
    """As large as it says."""

    def __init__(self, size: int = 10) -> None:
        self.size = size

    def model_dump_json(self) -> str:
        return "x" * self.size


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Kept:
    """A store, and vLLM's two dictionaries of it."""

    def __init__(self, **limits: Any) -> None:
        self.clock = Clock()
        store = ResponseStore(**{"most": 3, "seconds": 60, **limits}, clock=self.clock)
        self.responses, self.conversations = View(store, RESPONSES), View(store, CONVERSATIONS)

    def make(self, name: str, key: str | None = None, size: int = 10, body: int = 5, **call: Any) -> None:
        token = CALL.set(Call(key_name=key, body_bytes=body, **call))
        self.conversations[name] = [f"asked for {name} by {key}"]
        self.responses[name] = Response(size)
        CALL.reset(token)

    def seen(self, *names: str, key: str | None = None) -> list[str]:
        token = CALL.set(Call(key_name=key))
        found = [name for name in names if self.responses.get(name) is not None]
        assert found == [name for name in names if self.conversations.get(name) is not None]
        CALL.reset(token)
        return found


def test_the_oldest_goes_when_there_is_one_too_many() -> None:
    kept = Kept()
    for name in "abcd":
        kept.make(name)
    assert kept.seen("a", "b", "c", "d") == ["b", "c", "d"]


def test_what_is_too_old_is_gone() -> None:
    kept = Kept()
    kept.make("a")
    kept.clock.now = 40
    kept.make("b")
    kept.clock.now = 61
    assert kept.seen("a", "b") == ["b"]
    kept.clock.now = 101
    assert kept.seen("b") == []


def test_bytes_are_those_of_the_response_and_of_all_turns_before() -> None:
    kept = Kept(most_bytes=100)
    kept.make("a", size=30, body=10)
    kept.make("b", size=10, body=5, previous_response_id="a")  # 40 before, 15 of its own
    assert kept.seen("a", "b") == ["a", "b"]
    kept.make("c", size=1, body=5)
    assert kept.seen("a", "b", "c") == ["b", "c"]
    kept.make("d", size=200)
    assert kept.seen("b", "c", "d") == []


def test_response_is_its_keys_alone_though_another_chooses_its_id() -> None:
    kept = Kept()
    kept.make("a", key="alice")
    assert kept.seen("a", key="bob") == kept.seen("a") == []
    kept.make("a", key="bob")
    assert kept.seen("a", key="alice") == kept.seen("a", key="bob") == ["a"]
    token = CALL.set(Call(key_name="alice"))
    assert kept.conversations["a"] == ["asked for a by alice"]
    CALL.reset(token)


def test_response_is_not_kept_without_its_conversation_nor_found_before_it_is_there() -> None:
    kept = Kept(most=1)
    kept.conversations["a"] = ["asked"]
    assert kept.seen("a") == []
    kept.make("b")
    kept.responses["a"] = Response()  # its conversation has gone meanwhile
    assert kept.seen("a", "b") == ["b"]
    with pytest.raises(KeyError):
        kept.conversations["a"]


def test_response_that_is_set_again_counts_once() -> None:
    kept = Kept(most_bytes=60)
    kept.make("a", size=40)
    for _ in range(5):
        kept.responses["a"] = Response(40)
    kept.make("b")
    assert kept.seen("a", "b") == ["a", "b"]


# -- on the real server ----------------------------------------------------------------------------------


def made(client: httpx.Client, stream: bool, **more: Any) -> dict[str, Any]:
    response = client.post(PATH, json=asked(PATH, stream=stream, **more))
    assert response.status_code == 200, response.text
    body: dict[str, Any] = events(response)[-1]["response"] if stream else response.json()
    return body


@STREAMED
@pytest.mark.parametrize("limit", [60, 8], ids=["whole", "cut inside its thinking"])
def test_conversation_goes_on_from_a_response(client: httpx.Client, stream: bool, limit: int) -> None:
    first = made(client, stream, max_output_tokens=limit)
    alone = made(client, stream, input="Again.")
    second = made(client, stream, input="Again.", previous_response_id=first["id"])
    assert second["usage"]["input_tokens"] > alone["usage"]["input_tokens"] + 10
    third = made(client, stream, input="Again.", previous_response_id=second["id"])
    assert third["usage"]["input_tokens"] > second["usage"]["input_tokens"]
    assert client.get(f"{PATH}/{first['id']}").json()["id"] == first["id"]


@STREAMED
def test_response_that_is_not_kept_is_a_404_that_says_what_is(client: httpx.Client, stream: bool) -> None:
    unkept = made(client, stream, store=False)
    for name in (unkept["id"], "resp_123"):
        body = asked(PATH, previous_response_id=name, stream=stream)
        response = client.post(PATH, json=body)
        assert response.status_code == 404
        assert response.json()["error"]["param"] == "previous_response_id"
        assert "--max-stored-responses" in response.json()["error"]["message"]
        assert client.get(f"{PATH}/{name}").status_code == 404


def test_background_is_refused(client: httpx.Client) -> None:
    response = client.post(PATH, json=asked(PATH, background=True))
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "background"
