"""API keys at the real server: who gets in, what is theirs alone, and how much they may let it think."""

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import openai
import pytest

from server.api.rate_limits import KeyLimits
from server.budget.budget import BudgetError
from server.budget.parsing.defaults import BudgetDefaults
from server.engine.client.call import Call
from tests.conftest import ServerProcess

pytestmark = pytest.mark.engine

CHAT = "/v1/chat/completions"
FIRST, SECOND = "sk-first-7f3a", "sk-second-91bc"
BODY: dict[str, Any] = {
    "model": "s1-nano",
    "messages": [{"role": "user", "content": "Find the smallest prime factor of 391."}],
    "thinking_budget": 5,
}
ENDLESS = {**BODY, "thinking_budget": {"min_tokens": 900}}
FILE = """
[small]
key = "sk-small"
max_thinking_tokens = 40
[exact]
key = "sk-exact"
quota_tokens = 100_000
quota_window_s = 3600
[spent]
key = "sk-spent"
quota_tokens = 200
quota_window_s = 3600
[voters]
key = "sk-voters"
quota_tokens = 400
quota_window_s = 3600
[crowd]
key = "sk-crowd"
quota_tokens = 500
quota_window_s = 3600
[brief]
key = "sk-brief"
quota_tokens = 30
quota_window_s = 4
"""
NAMES = ("small", "exact", "spent", "voters", "crowd", "brief")


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that asks for a key: of the file, or of vLLM's."""
    folder = tmp_path_factory.mktemp("keyed")
    (folder / "keys.toml").write_text(FILE)
    environment = {"S1_API_KEYS_FILE": str(folder / "keys.toml")}
    flags = ["--api-key", FIRST, SECOND, "--enable-scale-out"]
    process = ServerProcess(folder / "server.log", flags, environment)
    process.wait_until_ready()
    yield process
    process.stop()


def bearer(key: str) -> dict[str, str]:
    """OpenAI's way to send a key."""
    return {"Authorization": f"Bearer {key}"}


def ask(server: ServerProcess, key: str, **changes: Any) -> httpx.Response:
    """A request with a key."""
    return httpx.post(server.url + CHAT, json={**BODY, **changes}, headers=bearer(key), timeout=300)


def reports(response: httpx.Response) -> list[dict[str, Any]]:
    """Of all choices."""
    assert response.status_code == 200, response.text
    return [choice["thinking"] for choice in response.json()["choices"]]


# -- who gets in ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        bearer(FIRST),
        bearer(SECOND),
        bearer("sk-small"),
        {"x-api-key": FIRST},
        {"authorization": f"bearer {FIRST}"},
    ],
)
def test_key_is_taken_from_either_header(keyed: ServerProcess, headers: dict[str, str]) -> None:
    assert httpx.post(keyed.url + CHAT, json=BODY, headers=headers, timeout=300).status_code == 200


@pytest.mark.parametrize(
    "headers", [{}, bearer("sk-wrong"), {"x-api-key": "sk-wrong"}, {"Authorization": FIRST}]
)
@pytest.mark.parametrize(
    "path", [CHAT, "/v1/messages", "/invocations", "/tokenize", "/inference/v1/generate"]
)
def test_without_a_good_key_nothing_is_generated(
    keyed: ServerProcess, path: str, headers: dict[str, str]
) -> None:
    refused = httpx.post(keyed.url + path, json=BODY, headers=headers)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    error = refused.json()["error"]
    assert error["type"] == ("authentication_error" if path == "/v1/messages" else "AuthenticationError")


@pytest.mark.parametrize("path", ["/health", "/metrics", "/"])
def test_probes_prometheus_and_the_page_need_none(keyed: ServerProcess, path: str) -> None:
    assert httpx.get(keyed.url + path).status_code == 200


def test_response_is_read_and_gone_on_from_with_its_own_key_only(keyed: ServerProcess) -> None:
    def ask_to(method: str, path: str, key: str, **body: Any) -> httpx.Response:
        more = {"json": {"model": "s1-nano", "max_output_tokens": 8, **body}} if body else {}
        return httpx.request(method, keyed.url + path, headers=bearer(key), timeout=300, **more)  # type: ignore[arg-type]

    made = ask_to("POST", "/v1/responses", FIRST, input="17").json()["id"]
    for key, status in ((FIRST, 200), (SECOND, 404), ("sk-small", 404)):
        assert ask_to("GET", f"/v1/responses/{made}", key).status_code == status
        gone_on = ask_to("POST", "/v1/responses", key, input="Again.", previous_response_id=made)
        assert gone_on.status_code == status


def test_only_its_own_key_ends_a_requests_thinking(keyed: ServerProcess) -> None:
    body = {**ENDLESS, "stream": True}
    with httpx.stream("POST", keyed.url + CHAT, json=body, headers=bearer(FIRST), timeout=300) as response:
        lines = (line for line in response.iter_lines() if line.startswith("data: {"))
        action = {"id": json.loads(next(lines)[6:])["id"], "action": "end_thinking"}
        said = [
            httpx.post(f"{keyed.url}{CHAT}/control", json=action, headers=bearer(key), timeout=300).json()
            for key in (SECOND, FIRST)
        ]
        (*_, last) = lines
    assert [answer["success"] for answer in said] == [False, True]
    assert said[0]["message"] == "no active completion for this id on this server"
    assert json.loads(last[6:])["choices"][0]["thinking"]["end"] == "requested"


# -- a key's ceiling -----------------------------------------------------------------------------------


@pytest.mark.parametrize("budget", [None, 900, {"num_waits": 9}, "medium"])
def test_ceiling_of_the_key_holds_whatever_is_asked(keyed: ServerProcess, budget: Any) -> None:
    asked = {"reasoning_effort": budget, "thinking_budget": None} if budget == "medium" else {}
    (report,) = reports(ask(keyed, "sk-small", **{"thinking_budget": budget, **asked}))
    assert report["max_tokens"] == 40
    assert report["tokens"] <= 40


def test_smaller_budget_holds_under_the_keys_ceiling(keyed: ServerProcess) -> None:
    assert reports(ask(keyed, "sk-small"))[0]["max_tokens"] == 5


def test_minimum_above_the_keys_ceiling_is_a_400_that_says_whose(keyed: ServerProcess) -> None:
    refused = ask(keyed, "sk-small", thinking_budget={"min_tokens": 900})
    assert refused.status_code == 400
    assert "the ceiling of the key small (40)" in refused.json()["error"]["message"]


def test_no_other_endpoint_leads_around_a_keys_ceiling(keyed: ServerProcess) -> None:
    tokenize = {"model": "s1-nano", "messages": BODY["messages"], "add_generation_prompt": True}
    prompt = httpx.post(keyed.url + "/tokenize", json=tokenize, headers=bearer(FIRST)).json()["tokens"]
    raw = {"model": "s1-nano", "token_ids": prompt, "sampling_params": {"max_tokens": 600, "temperature": 0}}
    mark = {"model": "s1-nano", "prompt": "</think>", "add_special_tokens": False}
    (end,) = httpx.post(keyed.url + "/tokenize", json=mark, headers=bearer(FIRST)).json()["tokens"]
    at = {}
    for key in (FIRST, "sk-small"):
        out = httpx.post(keyed.url + "/inference/v1/generate", json=raw, headers=bearer(key), timeout=300)
        assert out.status_code == 200, out.text
        at[key] = out.json()["choices"][0]["token_ids"].index(end)
    assert at[FIRST] > 40
    assert at["sk-small"] == 40


def test_beam_search_is_refused_to_a_key_with_limits(keyed: ServerProcess) -> None:
    beams = {"use_beam_search": True, "n": 2, "thinking_budget": None, "max_tokens": 20}
    for key in ("sk-small", "sk-exact"):
        refused = ask(keyed, key, **beams)
        assert refused.status_code == 400
        assert refused.json()["error"]["param"] == "use_beam_search"


def test_beam_search_is_refused_under_a_ceiling_of_the_servers() -> None:
    KeyLimits(None, BudgetDefaults()).check(Call(has_beams=True))
    with pytest.raises(BudgetError) as caught:
        KeyLimits(None, BudgetDefaults(ceiling=50)).check(Call(has_beams=True))
    assert caught.value.field == "use_beam_search"


METHODS: list[dict[str, Any]] = [
    {"method": "majority", "n": 4},
    {"method": "majority", "n": 4, "total_tokens": 2000},
    {"method": "majority", "total_tokens": 150},
    {"method": "best_of_n", "n": 3, "scorer": "likelihood", "total_tokens": 900},
    {"method": "short_m", "n": 4, "m": 2},
    {"method": "rejection", "accept_up_to": 20, "tries": 3},
    {"method": "rejection", "accept_up_to": 500, "tries": 2},
    {"method": "token_conditional", "tokens": 512},
    {"method": "auto", "every": 16},
    {"method": "rebase", "width": 3, "step": "\n", "step_tokens": 16, "scorer": "likelihood"},
    {"method": "beam", "width": 4, "beams": 2, "step": "\n", "step_tokens": 16, "scorer": "likelihood"},
    {"method": "beyond_context", "window": 16, "summary_tokens": 8},
]


def scaled(server: ServerProcess, key: str, method: dict[str, Any], **changes: Any) -> httpx.Response:
    """An answer from many samples, none of which would stop soon by itself."""
    return ask(server, key, **{"thinking_budget": None, "temperature": 1.5, "scaling": method, **changes})


@pytest.mark.parametrize("method", METHODS, ids=lambda method: "-".join(map(str, method.values())))
def test_ceiling_of_the_key_holds_for_every_sample_of_scaling(
    keyed: ServerProcess, method: dict[str, Any]
) -> None:
    response = scaled(keyed, "sk-small", method)
    assert response.status_code == 200, response.text
    said, (report,) = response.json()["scaling"], reports(response)
    thought = [each["thinking_tokens"] for each in (*said["samples"], *said.get("lines", ()))]
    assert 0 < max((report["tokens"], *thought)) <= 40
    assert report["max_tokens"] <= 40


# -- a key's quota -------------------------------------------------------------------------------------


def left(server: ServerProcess, name: str) -> int:
    """What a request that does not think is told."""
    response = ask(server, f"sk-{name}", thinking_budget=0, max_tokens=20)
    assert response.status_code == 200
    return int(response.headers["x-ratelimit-remaining-tokens"])


def test_quota_is_charged_to_the_token_however_requests_end(keyed: ServerProcess) -> None:
    before = left(keyed, "exact")
    thought = 0
    for changes in (
        {"thinking_budget": 30},
        {"thinking_budget": {"num_waits": 2}, "n": 5, "temperature": 1.0},
        {"thinking_budget": {"max_tokens": 60, "num_waits": 1}, "n": 2, "temperature": 1.0},
        {"thinking_budget": {"min_tokens": 300}, "max_tokens": 70},
    ):
        response = ask(keyed, "sk-exact", **changes)
        thought += sum(report["tokens"] for report in reports(response))
        assert int(response.headers["x-ratelimit-remaining-tokens"]) == before - thought
        assert response.headers["x-ratelimit-limit-tokens"] == "100000"
        assert 0 < int(response.headers["x-ratelimit-reset-tokens"].removesuffix("s")) <= 3600

    body = {**BODY, "thinking_budget": {"num_waits": 1}, "n": 3, "stream": True}
    with httpx.stream("POST", keyed.url + CHAT, json=body, headers=bearer("sk-exact"), timeout=300) as stream:
        events = [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: {")]
    choices = [choice for event in events for choice in event["choices"]]
    thought += sum(choice["thinking"]["tokens"] for choice in choices if choice["finish_reason"])
    assert left(keyed, "exact") == before - thought


def test_request_that_is_aborted_is_charged_for_what_it_thought(keyed: ServerProcess) -> None:
    before = left(keyed, "exact")
    usage = {"include_usage": True, "continuous_usage_stats": True}
    body = {**ENDLESS, "n": 4, "stream": True, "stream_options": usage}
    seen = 0
    with httpx.stream("POST", keyed.url + CHAT, json=body, headers=bearer("sk-exact"), timeout=300) as stream:
        for line in stream.iter_lines():
            if line.startswith("data: {"):
                seen = json.loads(line[6:])["usage"]["completion_tokens"]
            if seen > 60:
                break
    after = _settled(keyed)
    assert seen <= before - after < 4 * 900


@pytest.mark.parametrize("method", METHODS, ids=lambda method: "-".join(map(str, method.values())))
@pytest.mark.parametrize("stream", [False, True])
def test_every_sample_of_scaling_is_charged_thrown_away_or_not(
    keyed: ServerProcess, method: dict[str, Any], stream: bool
) -> None:
    before = _settled(keyed)
    more = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    response = scaled(keyed, "sk-exact", method, **more)
    assert response.status_code == 200, response.text
    events = [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: {")]
    bill = events[-1] if stream else response.json()
    thought = bill["usage"]["completion_tokens_details"]["reasoning_tokens"]
    charged = before - _settled(keyed)
    if method["method"] in ("short_m", "rejection"):  # what is aborted has a few tokens on their way
        assert thought <= charged <= thought + 20
    else:
        assert charged == thought
    assert charged > 0


def test_quota_spent_by_samples_ends_the_thinking_of_all_of_them(keyed: ServerProcess) -> None:
    voting = {"method": "majority", "n": 8}
    first = scaled(keyed, "sk-voters", voting, **ENDLESS)
    (report,) = reports(first)
    assert report["end"] == "quota"
    thought = [sample["thinking_tokens"] for sample in first.json()["scaling"]["samples"]]
    assert len(thought) == 8
    assert 400 <= sum(thought) < 400 + 8 * 150  # 7,200 without a quota
    assert first.headers["x-ratelimit-remaining-tokens"] == "0"
    assert scaled(keyed, "sk-voters", voting).status_code == 429
    assert scaled(keyed, "sk-voters", voting, thinking_budget=0, max_tokens=20).status_code == 200


def _settled(server: ServerProcess) -> int:
    """What is left when nothing is charged any more: the abort has arrived."""
    last = left(server, "exact")
    while (now := left(server, "exact")) != last:
        last = now
    return last


def test_spent_quota_ends_thinking_and_the_next_request_waits(keyed: ServerProcess) -> None:
    first = ask(keyed, "sk-spent", **ENDLESS)
    (report,) = reports(first)
    assert report["end"] == "quota"
    assert 200 <= report["tokens"] < 900
    assert first.json()["choices"][0]["message"]["content"].startswith("\n\nFinal Answer:")
    assert first.headers["x-ratelimit-remaining-tokens"] == "0"

    refused = ask(keyed, "sk-spent")
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 3600
    assert refused.headers["x-ratelimit-remaining-tokens"] == "0"
    assert "The key spent has spent its 200 thinking tokens" in refused.json()["error"]["message"]
    assert left(keyed, "spent") == 0  # an answer without thinking is still to be had

    with (
        openai.OpenAI(base_url=f"{keyed.url}/v1", api_key="sk-spent", max_retries=0) as ours,
        pytest.raises(openai.RateLimitError),
    ):
        ours.chat.completions.create(model="s1-nano", messages=BODY["messages"])
    with (
        anthropic.Anthropic(base_url=keyed.url, api_key="sk-spent", max_retries=0) as theirs,
        pytest.raises(anthropic.RateLimitError),
    ):
        theirs.messages.create(model="s1-nano", messages=BODY["messages"], max_tokens=200)


async def test_crowd_spends_its_quota_together(keyed: ServerProcess) -> None:
    async with httpx.AsyncClient(timeout=120, headers=bearer("sk-crowd")) as client:
        got = await asyncio.gather(*(client.post(keyed.url + CHAT, json=ENDLESS) for _ in range(20)))
    served = [response for response in got if response.status_code == 200]
    assert {response.status_code for response in got} <= {200, 429}
    assert all(reports(response)[0]["end"] == "quota" for response in served)
    thought = sum(reports(response)[0]["tokens"] for response in served)
    assert 500 <= thought < 500 + 20 * 150  # 18,000 without a quota


def test_next_window_is_open_when_retry_after_says(keyed: ServerProcess) -> None:
    while (response := ask(keyed, "sk-brief", thinking_budget=20)).status_code == 200:
        pass
    assert response.status_code == 429
    assert 0 < int(response.headers["retry-after"]) <= 4
    time.sleep(int(response.headers["retry-after"]))
    assert ask(keyed, "sk-brief", thinking_budget=20).status_code == 200


def test_key_without_limits_is_told_of_none(keyed: ServerProcess) -> None:
    response = ask(keyed, FIRST)
    assert not [name for name in response.headers if name.startswith("x-ratelimit")]


# -- what is said of keys ------------------------------------------------------------------------------


def test_keys_are_named_at_start_and_never_logged(keyed: ServerProcess) -> None:
    said = keyed.log.read_text()
    assert f"keys     {', '.join(NAMES)}, --api-key 1, --api-key 2" in said
    assert "family=think key=exact end=" in said
    for secret in (FIRST, SECOND, *(f"sk-{name}" for name in NAMES)):
        assert secret not in said
