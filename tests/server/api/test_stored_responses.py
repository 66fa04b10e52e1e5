"""Responses are kept so many, so long, so large, with their conversation, and each for its own key."""

import time
from collections import deque
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.datastructures import State

from server.api.stored_responses import (
    CONVERSATIONS,
    EVENT_BYTES,
    EVENTS,
    RESPONSES,
    TASKS,
    ResponseStore,
    Tasks,
    View,
    keep_responses,
)
from server.engine.client.call import CALL, Call
from server.engine.seams import SeamError
from tests.conftest import ServerProcess
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
    """A store, and vLLM's dictionaries of it."""

    def __init__(self, **limits: Any) -> None:
        self.clock = Clock()
        store = ResponseStore(**{"most": 3, "seconds": 60, **limits}, clock=self.clock)
        self.responses, self.conversations = View(store, RESPONSES), View(store, CONVERSATIONS)
        self.events, self.tasks = View(store, EVENTS), Tasks(store)

    def make(self, name: str, key: str | None = None, size: int = 10, body: int = 5, **call: Any) -> None:
        token = CALL.set(Call(key_name=key, body_bytes=body, **call))
        self.conversations[name] = [f"asked for {name} by {key}"]
        self.responses[name] = Response(size)
        CALL.reset(token)

    def stream(self, name: str, key: str | None = None, count: int = 3, **more: Any) -> None:
        """One in the background, from its beginning to its end."""
        token = CALL.set(Call(key_name=key))
        self.tasks[name] = f"makes {name} for {key}"
        self.make(name, key, **more)
        events = deque[str]()
        self.events[name] = (events, "signal")
        events.extend(["event"] * count)
        self.responses[name] = Response()
        assert self.tasks.pop(name) == f"makes {name} for {key}"
        CALL.reset(token)

    def streamed(self, *names: str, key: str | None = None) -> list[str]:
        token = CALL.set(Call(key_name=key))
        found = [name for name in names if name in self.events]
        CALL.reset(token)
        return found

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
    kept.events["a"] = (deque(), "signal")
    assert kept.seen("a") == kept.streamed("a") == []
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


def test_events_are_their_keys_alone_and_go_with_their_response() -> None:
    kept = Kept()
    kept.stream("a", key="alice", count=3)
    kept.stream("a", key="bob", count=2)
    assert kept.streamed("a") == kept.streamed("a", key="carol") == []
    for key, count in (("alice", 3), ("bob", 2)):
        assert kept.streamed("a", "b", key=key) == ["a"]
        token = CALL.set(Call(key_name=key))
        assert kept.events["a"] == (deque(["event"] * count), "signal")
        CALL.reset(token)
    for name in "bcd":
        kept.make(name)
    assert kept.streamed("a", key="alice") == kept.streamed("a", key="bob") == []
    kept.events["a"] = (deque(), "signal")  # its response has gone meanwhile
    assert kept.streamed("a") == []


def test_events_count_among_the_bytes_but_not_as_part_of_the_turns_behind_them() -> None:
    kept = Kept(most=9, most_bytes=5 * EVENT_BYTES)
    kept.stream("a", count=3)
    kept.make("b", previous_response_id="a")
    kept.make("c", previous_response_id="b")
    assert kept.seen("a", "b", "c") == ["a", "b", "c"]
    kept.stream("d", count=3)
    assert kept.seen("a", "b", "c", "d") == ["b", "c", "d"]


def test_response_that_is_made_in_the_background_counts_when_it_is_there() -> None:
    kept = Kept(most_bytes=100)
    kept.make("a", size=1)  # queued
    kept.responses["a"] = Response(80)
    kept.make("b", size=30)
    assert kept.seen("a", "b") == ["b"]


def test_task_is_its_keys_alone_and_held_until_it_ends() -> None:
    kept = Kept(most=1)
    for key in ("alice", "bob"):
        token = CALL.set(Call(key_name=key))
        kept.tasks["a"] = key
        CALL.reset(token)
    kept.make("b")
    kept.make("c")
    assert kept.tasks.get("a") is None
    for key in ("alice", "bob"):
        token = CALL.set(Call(key_name=key))
        assert (kept.tasks.get("a"), kept.tasks.pop("a"), kept.tasks.get("a")) == (key, key, None)
        assert kept.tasks.pop("a", None) is None
        CALL.reset(token)


@pytest.mark.parametrize("missing", [None, RESPONSES, CONVERSATIONS, EVENTS, TASKS])
def test_each_of_vllms_dictionaries_is_a_view_or_the_start_ends(missing: str | None) -> None:
    names = {RESPONSES, CONVERSATIONS, EVENTS, TASKS} - {missing}
    serving = SimpleNamespace(
        enable_store=False, _make_not_found_error=lambda _: None, **{name: {} for name in names}
    )
    state = State({"openai_serving_responses": serving})
    if missing is not None:
        with pytest.raises(SeamError, match=missing):
            keep_responses(state, 3, 60)
        return
    keep_responses(state, 3, 60)
    assert all(isinstance(getattr(serving, name), View | Tasks) for name in names)


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


@pytest.fixture(scope="module")
def background(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("background")
    (folder / "keys.toml").write_text('[alice]\nkey = "sk-alice"\n[bob]\nkey = "sk-bob"\n')
    flags = ["--api-keys-file", str(folder / "keys.toml")]
    switch = {"VLLM_ENABLE_RESPONSES_API_STORE": "1"}
    process = ServerProcess(folder / "server.log", flags, switch)
    process.wait_until_ready()
    yield process
    process.stop()


@pytest.mark.engine
def test_stream_in_the_background_is_its_keys_alone(background: ServerProcess) -> None:
    body = asked(PATH, background=True, stream=True, request_id="resp_same")

    def deltas(response: httpx.Response) -> list[tuple[str, str | None]]:
        assert response.status_code == 200, response.text
        return [(event["type"], event.get("delta")) for event in events(response)]

    shown = {}
    for key, limit in (("alice", 60), ("bob", 20)):
        bearer = {"Authorization": f"Bearer sk-{key}"}
        asks = {**body, "max_output_tokens": limit}
        shown[key] = deltas(httpx.post(background.url + PATH, json=asks, headers=bearer, timeout=300))
    assert len(shown["alice"]) > len(shown["bob"]) > 20
    for key, told in shown.items():
        bearer = {"Authorization": f"Bearer sk-{key}"}
        url = f"{background.url}{PATH}/resp_same?stream=true"
        assert deltas(httpx.get(url, headers=bearer, timeout=300)) == told


@pytest.mark.engine
def test_response_in_the_background_is_cancelled_by_its_key_only(background: ServerProcess) -> None:
    endless = {"min_tokens": 900, "max_tokens": 900, "on_loop": "ignore"}
    body = asked(PATH, background=True, max_output_tokens=1500, thinking_budget=endless)
    alice, bob = ({"Authorization": f"Bearer sk-{key}"} for key in ("alice", "bob"))
    made = httpx.post(background.url + PATH, json=body, headers=alice, timeout=300).json()
    path = f"{background.url}{PATH}/{made['id']}"
    assert httpx.post(f"{path}/cancel", headers=bob, timeout=60).status_code == 404
    cancelled = httpx.post(f"{path}/cancel", headers=alice, timeout=60)
    assert cancelled.json()["status"] == "cancelled"
    while any(line.split()[-1] != "0.0" for line in _running(background.url)):
        time.sleep(0.05)


def _running(url: str) -> list[str]:
    lines = httpx.get(f"{url}/metrics", timeout=60).text.splitlines()
    return [line for line in lines if line.startswith("vllm:num_requests_running{")]
