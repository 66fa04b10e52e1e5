"""An exchange of weights at the real server: what it serves afterwards, what became of those who waited.

Proof by tokens: greedy ones equal those of a server that was freshly started on the new checkpoint.
"""

import json
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from safetensors.torch import load_file, save_file

from server.api.routes import CLOSED, GOVERNED, PASSED, UPDATES
from server.reasoning.nano.problems import problems
from server.settings import EMBEDDED_MODEL_PATH
from tests.conftest import ServerProcess

pytestmark = pytest.mark.engine

CHAT = "/v1/chat/completions"
KEYS = '[trainer]\nkey = "sk-trainer"\nadmin = true\n[user]\nkey = "sk-user"\n'
TRAINER, USER = {"Authorization": "Bearer sk-trainer"}, {"Authorization": "Bearer sk-user"}
QUESTIONS = [problem.question for problem in problems("test", 6, 1)]
SIZES = ["--max-num-seqs", "4", "--kv-cache-memory-bytes", str(2**28)]
"""Of both servers: sums in another order would tell them apart where two tokens are nearly as likely."""
BLANK = 0
"""What weights say for which every token is as likely: a token that s1-nano's own never do."""
LONG: dict[str, Any] = {"min_tokens": 700, "max_tokens": 700, "on_loop": "ignore"}


def moved(folder: Path, name: str, seed: int) -> Path:
    """s1-nano's weights, moved a little: a checkpoint of which greedy tokens differ."""
    generator = torch.Generator().manual_seed(seed)
    weights = {
        key: (w.float() + 0.4 * w.float().std() * torch.randn(w.shape, generator=generator)).to(w.dtype)
        for key, w in load_file(EMBEDDED_MODEL_PATH / "model.safetensors").items()
    }
    save_file(weights, folder / name, metadata={"format": "pt"})
    return folder / name


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("weights")
    moved(made, "moved.safetensors", 1)
    whole = load_file(EMBEDDED_MODEL_PATH / "model.safetensors")
    blank = {**whole, "model.norm.weight": torch.zeros_like(whole["model.norm.weight"])}
    save_file(blank, made / "blank.safetensors")
    shutil.copy(EMBEDDED_MODEL_PATH / "model.safetensors", made / "nano.safetensors")
    return made


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[ServerProcess]:
    place = tmp_path_factory.mktemp("trained")
    (place / "keys.toml").write_text(KEYS)
    flags = ["--weight-updates", str(folder), "--api-keys-file", str(place / "keys.toml")]
    process = ServerProcess(place / "server.log", [*flags, *SIZES])
    process.wait_until_ready()
    yield process
    process.stop()


@pytest.fixture
def client(trained: ServerProcess) -> Iterator[httpx.Client]:
    """A trainer's connection; whatever a test did, s1-nano's own weights are served after it."""
    with httpx.Client(base_url=trained.url, timeout=120, headers=TRAINER) as http:
        yield http
        if not http.get("/is_paused").json()["is_paused"]:
            assert http.post("/pause").status_code == 200
        update(http, "nano.safetensors")
        assert http.post("/resume").status_code == 200


def update(client: httpx.Client, file: str) -> None:
    """All but the pause before and the end of it after."""
    assert client.post("/start_weight_update").status_code == 200
    told = client.post("/update_weights", json={"update_info": {"file": file}})
    assert told.status_code == 200, told.text
    assert client.post("/finish_weight_update").status_code == 200


def exchange(client: httpx.Client, file: str, mode: str = "wait") -> None:
    assert client.post("/pause", params={"mode": mode}).status_code == 200
    update(client, file)
    assert client.post("/resume").status_code == 200


def body(question: str, **more: Any) -> dict[str, Any]:
    asked = {"model": "s1-nano", "messages": [{"role": "user", "content": question}], "temperature": 0}
    return {**asked, "max_completion_tokens": 300, "return_token_ids": True, **more}


def greedy(client: httpx.Client) -> list[list[int]]:
    replies = [client.post(CHAT, json=body(question)).json() for question in QUESTIONS]
    return [reply["choices"][0]["token_ids"] for reply in replies]


def cached(client: httpx.Client) -> int:
    """Prompt tokens that were found in the prefix cache, so far."""
    lines = client.get("/metrics").text.splitlines()
    return int(
        sum(float(line.split()[-1]) for line in lines if line.startswith("vllm:prefix_cache_hits_total"))
    )


# -- what is served --------------------------------------------------------------------------------------


def test_tokens_are_those_of_a_server_started_on_the_new_checkpoint(
    client: httpx.Client, folder: Path, tmp_path: Path
) -> None:
    before = greedy(client)
    exchange(client, "moved.safetensors")
    after = greedy(client)
    exchange(client, "nano.safetensors")
    assert greedy(client) == before != after
    fresh = tmp_path / "fresh"
    shutil.copytree(EMBEDDED_MODEL_PATH, fresh)
    shutil.copy(folder / "moved.safetensors", fresh / "model.safetensors")
    flags = ["--model", str(fresh), "--served-model-name", "s1-nano", "--enforce-eager"]
    process = ServerProcess(tmp_path / "log", [*flags, *SIZES])
    try:
        process.wait_until_ready()
        with httpx.Client(base_url=process.url, timeout=120) as other:
            assert greedy(other) == after
    finally:
        process.stop()


def test_prefix_cache_is_emptied(client: httpx.Client) -> None:
    asked = body("Find the smallest prime factor of 391. " * 12, max_completion_tokens=2)
    client.post(CHAT, json=asked)
    start = cached(client)
    client.post(CHAT, json=asked)
    assert (again := cached(client)) > start
    exchange(client, "moved.safetensors")
    client.post(CHAT, json=asked)
    assert cached(client) == again


# -- what becomes of requests ----------------------------------------------------------------------------


def started(client: httpx.Client, url: str, count: int, **more: Any) -> tuple[ThreadPoolExecutor, list[Any]]:
    """Requests under way: each has shown its first token."""
    pool = ThreadPoolExecutor(count)
    first = [
        pool.submit(_stream, url, body(QUESTIONS[0], stream=True, seed=at, **more)) for at in range(count)
    ]
    while running(client) < min(count, 4):
        time.sleep(0.05)
    return pool, first


def running(client: httpx.Client) -> int:
    lines = client.get("/metrics").text.splitlines()
    return int(sum(float(line.split()[-1]) for line in lines if line.startswith("vllm:num_requests_running")))


def _stream(url: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
    with httpx.stream("POST", url + CHAT, json=asked, headers=TRAINER, timeout=300) as reply:
        if reply.status_code != 200:
            return [json.loads(reply.read())]
        lines = [line.removeprefix("data: ") for line in reply.iter_lines() if line.startswith("data: {")]
    return [json.loads(line) for line in lines]


def tokens_of(events: list[dict[str, Any]]) -> list[int]:
    return [t for event in events for c in event.get("choices", ()) for t in c.get("token_ids") or ()]


def test_waiting_pause_lets_all_finish_with_the_old_weights_those_in_the_queue_too(
    client: httpx.Client, trained: ServerProcess
) -> None:
    pool, under_way = started(client, trained.url, 7, thinking_budget=LONG, max_completion_tokens=900)
    with pool:
        exchange(client, "blank.safetensors", "wait")
    for each in under_way:
        tokens = tokens_of(each.result())
        assert len(tokens) > 600 and BLANK not in tokens
    assert BLANK in client.post(CHAT, json=body(QUESTIONS[0])).json()["choices"][0]["token_ids"]


def test_aborting_pause_ends_them_with_an_error_that_says_why(
    client: httpx.Client, trained: ServerProcess
) -> None:
    pool, under_way = started(client, trained.url, 6, thinking_budget=LONG, max_completion_tokens=900)
    with pool:
        exchange(client, "moved.safetensors", "abort")
    for each in under_way:
        last = each.result()[-1]
        assert last["error"]["code"] == 503 and "weights were updated" in last["error"]["message"]


def test_pause_that_waits_can_be_joined_and_cut_short(client: httpx.Client, trained: ServerProcess) -> None:
    pool, under_way = started(client, trained.url, 64, thinking_budget=LONG, max_completion_tokens=900)

    def pause(mode: str) -> httpx.Response:
        url = f"{trained.url}/pause"
        return httpx.post(url, params={"mode": mode}, headers=TRAINER, timeout=300)

    with pool, ThreadPoolExecutor(2) as pauses:
        with pytest.raises(httpx.ReadTimeout):  # the trainer's own patience ends
            httpx.post(f"{trained.url}/pause?mode=wait", headers=TRAINER, timeout=0.5)
        waiting = pauses.submit(pause, "wait")
        with pytest.raises(TimeoutError):
            waiting.result(timeout=0.5)
        assert running(client) == 4
        refused = client.post("/start_weight_update")
        assert refused.status_code == 409 and "a 503 (POST /pause?mode=abort)" in refused.text
        assert pause("abort").json() == waiting.result().json() == {"status": "paused"}
        assert not running(client)
        assert client.post("/resume").status_code == 200
    errors = [error for each in under_way if (error := each.result()[-1].get("error"))]
    assert len(errors) > 4  # those that waited for their turn, too
    assert all("weights were updated" in error["message"] for error in errors)


def test_pause_that_waits_is_called_off_by_a_resumption(client: httpx.Client, trained: ServerProcess) -> None:
    pool, under_way = started(client, trained.url, 6, thinking_budget=LONG, max_completion_tokens=900)
    with pool, ThreadPoolExecutor(2) as others:
        url = f"{trained.url}/pause?mode=wait"
        waiting = others.submit(httpx.post, url, headers=TRAINER, timeout=300)
        with pytest.raises(TimeoutError):
            waiting.result(timeout=0.5)
        asked = others.submit(
            httpx.post, trained.url + CHAT, json=body(QUESTIONS[1]), headers=TRAINER, timeout=300
        )
        with pytest.raises(TimeoutError):
            asked.result(timeout=0.5)
        assert client.post("/resume").status_code == 200
        refused = waiting.result()
        assert refused.status_code == 400 and "called off" in refused.text
        assert asked.result().status_code == 200
    assert all(len(tokens_of(each.result())) > 600 for each in under_way)


def test_request_that_comes_during_the_exchange_waits_for_the_new_weights(
    client: httpx.Client, trained: ServerProcess
) -> None:
    exchange(client, "moved.safetensors")
    expected = greedy(client)[0]
    exchange(client, "nano.safetensors")
    client.post("/pause")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(
            httpx.post, trained.url + CHAT, json=body(QUESTIONS[0]), headers=TRAINER, timeout=60
        )
        update(client, "moved.safetensors")
        client.post("/resume")
        assert asked.result().json()["choices"][0]["token_ids"] == expected


def test_response_of_several_requests_is_not_made_with_both(
    client: httpx.Client, trained: ServerProcess
) -> None:
    """Between two samples no request runs, and vLLM's pause would see none."""
    scaling = {"method": "rebase", "width": 4, "step_tokens": 24, "scorer": "likelihood"}
    asked = body(QUESTIONS[0], scaling=scaling, thinking_budget=400, temperature=1)
    asked.pop("return_token_ids")
    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(httpx.post, trained.url + CHAT, json=asked, headers=TRAINER, timeout=120)
        while not running(client):
            time.sleep(0.05)
        exchange(client, "moved.safetensors")
        reply = under_way.result()
    assert reply.status_code == 503 and "weights were updated" in reply.text


# -- what is refused -------------------------------------------------------------------------------------


def test_what_would_mix_old_and_new_is_refused(client: httpx.Client) -> None:
    for wrong, field in (({"mode": "keep"}, "mode"), ({"clear_cache": False}, "clear_cache")):
        refused = client.post("/pause", params=wrong)
        assert refused.status_code == 400 and field in refused.text
    for path in ("/start_weight_update", "/finish_weight_update"):
        assert client.post(path).status_code == 409
    info = {"update_info": {"file": "moved.safetensors"}}
    assert client.post("/update_weights", json=info).status_code == 409
    client.post("/pause")
    client.post("/start_weight_update")
    assert client.post("/resume").status_code == 409
    assert client.post("/finish_weight_update").status_code == 409
    assert client.post("/update_weights", json=info).status_code == 200
    assert client.post("/resume").status_code == 409
    assert client.post("/finish_weight_update").status_code == 200


def bad_files(folder: Path) -> dict[str, str]:
    """Files that must not become weights, and what the refusal names."""
    whole = load_file(EMBEDDED_MODEL_PATH / "model.safetensors")
    norm = "model.norm.weight"
    rest = {name: w for name, w in whole.items() if name != norm}
    save_file(rest, folder / "less.safetensors")
    save_file({**whole, "extra": torch.zeros(2)}, folder / "more.safetensors")
    save_file({**rest, norm: torch.zeros(7, dtype=torch.bfloat16)}, folder / "shape.safetensors")
    save_file({**rest, norm: whole[norm].float()}, folder / "type.safetensors")
    content = (EMBEDDED_MODEL_PATH / "model.safetensors").read_bytes()
    (folder / "cut.safetensors").write_bytes(content[:-100])
    (folder / "text.safetensors").write_text("no weights in here")
    return {
        **{"less.safetensors": norm, "more.safetensors": "extra", "shape.safetensors": norm},
        **{"type.safetensors": "F32", "cut.safetensors": "bytes", "text.safetensors": "safetensors file"},
        **{"none.safetensors": "No such file", "../outside.safetensors": "outside", "": "required"},
    }


def test_file_that_is_not_this_checkpoint_is_refused_and_the_old_weights_stay(
    client: httpx.Client, folder: Path
) -> None:
    before = greedy(client)
    shutil.copy(folder / "moved.safetensors", folder.parent / "outside.safetensors")
    client.post("/pause")
    for file, named in bad_files(folder).items():
        assert client.post("/start_weight_update").status_code == 200, file
        refused = client.post("/update_weights", json={"update_info": {"file": file}})
        assert refused.status_code == 400 and named in refused.text, refused.text
    client.post("/resume")
    assert greedy(client) == before


@pytest.mark.parametrize("path", sorted(UPDATES))
def test_only_an_admin_may(trained: ServerProcess, path: str) -> None:
    for headers, status in ((USER, 403), ({}, 401)):
        assert httpx.post(trained.url + path, headers=headers).status_code == status


def test_without_the_flag_the_routes_are_not_there(server_url: str) -> None:
    for path in UPDATES:
        assert httpx.post(server_url + path).status_code == 404


def test_every_route_has_a_decision_with_the_flag_too(client: httpx.Client) -> None:
    paths = set(client.get("/openapi.json").json()["paths"])
    assert UPDATES <= paths <= GOVERNED | PASSED | UPDATES
    assert not paths & CLOSED
