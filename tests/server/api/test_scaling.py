"""`scaling` on the real server: one request, one answer, one bill; streams; and nothing left running."""

import asyncio
import json
import math
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from openai import OpenAI

from server.scaling.beyond_context import SUM_UP
from tests.conftest import ServerProcess
from tests.server.scaling.fake_scorer import FakeScorer, running

CHAT = "/v1/chat/completions"
QUESTION = [{"role": "user", "content": "Find the smallest prime factor of 391."}]
HARD = [{"role": "user", "content": "Find the smallest x with x mod 11 = 6 and x mod 28 = 25."}]


def ask(url: str, scaling: dict[str, Any], status: int = 200, **changes: Any) -> dict[str, Any]:
    body = {"model": "s1-nano", "messages": QUESTION, "seed": 1, "scaling": scaling, **changes}
    response = httpx.post(url + CHAT, json=body, timeout=120)
    assert response.status_code == status, response.text
    parsed: dict[str, Any] = response.json()
    return parsed


def plain(url: str, seed: int, **changes: Any) -> dict[str, Any]:
    body = {"model": "s1-nano", "messages": QUESTION, "seed": seed, **changes}
    response = httpx.post(url + CHAT, json=body, timeout=120)
    assert response.status_code == 200, response.text
    parsed: dict[str, Any] = response.json()
    return parsed


def events(url: str, scaling: dict[str, Any], **changes: Any) -> list[dict[str, Any]]:
    body = {
        "model": "s1-nano",
        "messages": QUESTION,
        "seed": 1,
        "scaling": scaling,
        "stream": True,
        **changes,
    }
    with httpx.stream("POST", url + CHAT, json=body, timeout=120) as response:
        assert response.status_code == 200, response.read()
        lines = [line for line in response.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


def gauge(url: str, name: str) -> float:
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(f"{name}{{"))


async def idle(url: str, seconds: float = 20.0) -> bool:
    """Whether the engine has nothing left to do, soon."""
    for _ in range(int(seconds / 0.1)):
        if not gauge(url, "vllm:num_requests_running") + gauge(url, "vllm:num_requests_waiting"):
            return True
        await asyncio.sleep(0.1)
    return False


def test_majority_gives_one_of_its_samples_and_bills_all_of_them(server_url: str) -> None:
    whole = ask(server_url, {"method": "majority", "n": 3}, messages=HARD, temperature=1)
    samples = [plain(server_url, seed, messages=HARD, temperature=1) for seed in (1, 2, 3)]
    usage = [sample["usage"] for sample in samples]
    assert whole["usage"]["completion_tokens"] == sum(each["completion_tokens"] for each in usage)
    assert whole["usage"]["prompt_tokens"] == sum(each["prompt_tokens"] for each in usage)
    thinking = [sample["choices"][0]["thinking"]["tokens"] for sample in samples]
    assert whole["usage"]["completion_tokens_details"]["reasoning_tokens"] == sum(thinking)
    assert [sample["thinking_tokens"] for sample in whole["scaling"]["samples"]] == thinking
    (choice,) = whole["choices"]
    best = samples[whole["scaling"]["votes"][0]["samples"][0]]["choices"][0]
    assert choice["message"]["content"] == best["message"]["content"]
    assert choice["message"]["reasoning_content"] == best["message"]["reasoning_content"]
    assert choice["thinking"] == best["thinking"]


def test_a_budget_holds_for_each_sample(server_url: str) -> None:
    whole = ask(server_url, {"method": "majority", "n": 4}, thinking_budget={"max_tokens": 20})
    assert [sample["thinking_tokens"] for sample in whole["scaling"]["samples"]] == [20] * 4
    assert whole["choices"][0]["thinking"]["end"] == "max_tokens"


def test_a_stream_tells_progress_then_the_answer_then_the_bill(server_url: str) -> None:
    wanted = {"method": "majority", "n": 2}
    told = events(server_url, wanted, stream_options={"include_usage": True})
    whole = ask(server_url, wanted)
    progress = [each["scaling"]["progress"] for each in told if "progress" in each.get("scaling", {})]
    assert {each["sample"] for each in progress} == {0, 1}
    for sample in (0, 1):
        states = [each["state"] for each in progress if each["sample"] == sample]
        assert states[0] == "thinking"
        assert states[-2:] == ["answering", "done"]
    assert told[0]["choices"][0]["delta"]["role"] == "assistant"
    message = whole["choices"][0]["message"]
    deltas = [each["choices"][0]["delta"] for each in told if each["choices"]]
    assert "".join(delta.get("content") or "" for delta in deltas) == message["content"]
    assert "".join(delta.get("reasoning_content") or "" for delta in deltas) == message["reasoning_content"]
    assert not any(delta.get("content") and delta.get("reasoning_content") for delta in deltas)
    last = told[-2]
    assert last["choices"][0]["finish_reason"] == "stop"
    assert last["choices"][0]["thinking"] == whole["choices"][0]["thinking"]
    assert last["scaling"] == whole["scaling"]
    assert told[-1]["usage"] == whole["usage"]


def test_an_unmodified_client_reads_the_stream(server_url: str) -> None:
    with OpenAI(base_url=f"{server_url}/v1", api_key="none") as client:
        stream = client.chat.completions.create(
            model="s1-nano",
            messages=[{"role": "user", "content": "Find the smallest prime factor of 391."}],
            stream=True,
            extra_body={"scaling": {"method": "majority", "n": 2}},
        )
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    assert "Final Answer:" in text


@pytest.mark.parametrize(
    ("scaling", "field"),
    [
        ({"method": "majoriti", "n": 2}, "scaling.method"),
        ({"method": "majority", "n": 1000}, "scaling.n"),
        ({"method": "majority", "n": 4, "total_tokens": 3}, "scaling.total_tokens"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_a_mistake_is_a_400_that_names_the_field(
    server_url: str, scaling: dict[str, Any], field: str, stream: bool
) -> None:
    error = ask(server_url, scaling, 400, stream=stream)["error"]
    assert error["param"] == field


def test_what_vllm_refuses_is_refused_in_its_own_words(server_url: str) -> None:
    body = {"messages": [{"role": "user", "content": "17 " * 20_000}]}
    for stream in (False, True):
        error = ask(server_url, {"method": "majority", "n": 2}, 400, stream=stream, **body)["error"]
        assert "context length" in error["message"]


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"scaling": {"method": "majority", "n": 2}}, "scaling"),
        ({"thinking_budget": "auto"}, "thinking_budget"),
    ],
)
def test_scaling_is_refused_where_it_is_not_offered(
    server_url: str, said: dict[str, Any], field: str
) -> None:
    body = {"model": "s1-nano", "prompt": "7", **said}
    response = httpx.post(f"{server_url}/v1/completions", json=body)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == field


def test_a_request_without_messages_is_a_400_whatever_the_scorer(server_url: str) -> None:
    body = {"model": "s1-nano", "scaling": {"method": "best_of_n", "n": 2, "scorer": "score"}}
    response = httpx.post(server_url + CHAT, json=body)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "body.messages"


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_goes_away_leaves_no_sample_running(server_url: str, stream: bool) -> None:
    assert await idle(server_url)
    body = {
        "model": "s1-nano",
        "messages": QUESTION,
        "thinking_budget": {"min_tokens": 1500},
        "scaling": {"method": "majority", "n": 6},
        "stream": stream,
    }
    done = gauge(server_url, "vllm:request_success_total")
    async with httpx.AsyncClient(timeout=60) as client:
        asking = asyncio.create_task(client.post(server_url + CHAT, json=body))
        for _ in range(200):
            if gauge(server_url, "vllm:num_requests_running") == 6:
                break
            await asyncio.sleep(0.05)
        assert gauge(server_url, "vllm:num_requests_running") == 6
        asking.cancel()
    assert await idle(server_url)
    ended = gauge(server_url, "vllm:request_success_total") - done
    assert ended == 0, "they ran to their end"


def test_short_m_aborts_those_that_think_longer_than_the_first_m(server_url: str) -> None:
    changes: dict[str, Any] = {"messages": HARD, "temperature": 1.5, "thinking_budget": {"num_waits": 6}}
    whole = ask(server_url, {"method": "short_m", "n": 6, "m": 2}, **changes)
    samples = whole["scaling"]["samples"]
    stand = [sample["thinking_tokens"] for sample in samples if sample["state"] == "done"]
    aborted = [sample["thinking_tokens"] for sample in samples if sample["state"] == "aborted"]
    assert len(stand) == 2
    assert whole["choices"][0]["thinking"]["tokens"] in stand
    alone = [plain(server_url, seed, **changes)["choices"][0]["thinking"]["tokens"] for seed in range(1, 7)]
    assert sorted(stand) == sorted(alone)[:2]
    assert sum(aborted) < sum(alone) - sum(stand)
    assert whole["usage"]["completion_tokens"] == sum(sample["tokens"] for sample in samples)


def test_rejection_draws_until_a_sample_fits_and_bills_every_try(server_url: str) -> None:
    alone = [
        plain(server_url, seed, messages=HARD, temperature=1.5)["choices"][0]["thinking"]["tokens"]
        for seed in range(1, 9)
    ]
    limit = min(alone)
    first = alone.index(limit)
    wanted = {"method": "rejection", "accept_up_to": limit, "tries": 10}
    whole = ask(server_url, wanted, messages=HARD, temperature=1.5)
    assert whole["scaling"]["tries"] == first + 1
    assert whole["scaling"]["accepted"] is True
    assert whole["choices"][0]["thinking"]["tokens"] == limit
    samples = whole["scaling"]["samples"]
    *thrown_away, taken = [sample["thinking_tokens"] for sample in samples]
    assert taken == limit
    # How soon the engine hears of an abort is the machine's affair.
    assert all(limit < tokens <= most for tokens, most in zip(thrown_away, alone, strict=False))
    assert whole["usage"]["completion_tokens_details"]["reasoning_tokens"] == sum(thrown_away) + limit


def test_rejection_that_never_fits_is_closed_at_the_limit(server_url: str) -> None:
    whole = ask(server_url, {"method": "rejection", "accept_up_to": 3, "tries": 2})
    assert whole["scaling"]["accepted"] is False
    assert whole["choices"][0]["thinking"]["tokens"] == 3
    assert whole["choices"][0]["thinking"]["end"] == "max_tokens"
    assert "Final Answer:" in whole["choices"][0]["message"]["content"]


def test_conditional_control_puts_its_words_behind_the_question(server_url: str) -> None:
    (question,) = QUESTION
    said = [{**question, "content": f"{question['content']}\n\nThink for up to 64 tokens."}]
    whole = ask(server_url, {"method": "token_conditional", "tokens": 64}, temperature=0)
    alone = plain(server_url, 1, messages=said, temperature=0)
    assert whole["usage"]["prompt_tokens"] == alone["usage"]["prompt_tokens"]
    assert whole["choices"][0]["message"] == alone["choices"][0]["message"]
    parts = [{"role": "user", "content": [{"type": "text", "text": question["content"]}]}]
    same = ask(server_url, {"method": "token_conditional", "tokens": 64}, temperature=0, messages=parts)
    assert same["choices"][0]["message"] == alone["choices"][0]["message"]


def test_words_need_a_message_of_the_user(server_url: str) -> None:
    messages = [{"role": "assistant", "content": "Hello."}]
    error = ask(server_url, {"method": "token_conditional", "tokens": 64}, 400, messages=messages)["error"]
    assert error["param"] == "messages"


@pytest.fixture
def scorer(server: ServerProcess) -> Iterator[FakeScorer]:
    with running(server.scorer_port) as fake:
        yield fake


def test_best_of_n_by_an_endpoint_of_the_operators(server_url: str, scorer: FakeScorer) -> None:
    whole = ask(server_url, {"method": "majority", "n": 6}, messages=HARD, temperature=1.5)
    rarest = whole["scaling"]["votes"][-1]
    scorer.like = lambda text: 0.9 if text.endswith(rarest["answer"]) else 0.1
    for kind in ("score", "classify", "pooling"):
        wanted = {"method": "best_of_n", "n": 6, "scorer": kind}
        best = ask(server_url, wanted, messages=HARD, temperature=1.5)
        assert best["scaling"]["chosen"] == rarest["samples"][0]
        assert best["choices"][0]["message"]["content"].endswith(rarest["answer"])
        assert best["usage"] == whole["usage"]
        assert best["scaling"]["scorer"]["name"] == kind
        assert best["scaling"]["scorer"]["tokens"] > 0


def test_best_of_n_by_the_models_own_likelihood(server_url: str) -> None:
    wanted = {"method": "best_of_n", "n": 4, "scorer": "likelihood"}
    whole = ask(server_url, wanted, messages=HARD, temperature=1.5)
    scores = whole["scaling"]["scores"]
    assert whole["scaling"]["chosen"] == scores.index(max(scores))
    for seed, score in zip(range(1, 5), scores, strict=True):
        alone = plain(server_url, seed, messages=HARD, temperature=1.5, logprobs=True)
        logprobs = [each["logprob"] for each in alone["choices"][0]["logprobs"]["content"]]
        assert score == pytest.approx(math.exp(sum(logprobs) / len(logprobs)), rel=1e-3)
    assert "content" not in (whole["choices"][0]["logprobs"] or {})


def test_forced_tokens_are_no_part_of_the_likelihood(server_url: str) -> None:
    wanted = {"method": "best_of_n", "n": 1, "scorer": "likelihood"}
    forced = ask(
        server_url, wanted, temperature=0.01, thinking_budget={"max_tokens": 0, "end_message": "q7#z%"}
    )
    # The cue is nothing that the model would have said: were it counted, the likelihood were next to nothing.
    assert forced["choices"][0]["thinking"]["forced_tokens"] >= 5
    assert forced["scaling"]["scores"][0] > 0.05


def test_a_scorer_that_is_down_is_a_502_that_names_it(server_url: str) -> None:
    for stream in (False, True):
        body = {"model": "s1-nano", "messages": QUESTION, "stream": stream}
        wanted = {"method": "best_of_n", "n": 2, "scorer": "score"}
        response = httpx.post(server_url + CHAT, json={**body, "scaling": wanted}, timeout=60)
        if stream:
            assert '"param":"scaling.scorer"' in response.text
            assert response.text.endswith("data: [DONE]\n\n")
        else:
            assert response.status_code == 502
            error = response.json()["error"]
            assert error["param"] == "scaling.scorer"
            assert "'score' is down" in error["message"]


def test_a_scorer_that_talks_nonsense_is_a_502(server_url: str, scorer: FakeScorer) -> None:
    scorer.answer = (200, b'{"data": "nice"}')
    error = ask(server_url, {"method": "best_of_n", "n": 2, "scorer": "score"}, 502)["error"]
    assert "answers no score" in error["message"]


def test_where_there_are_several_scorers_one_must_be_named(server_url: str) -> None:
    error = ask(server_url, {"method": "best_of_n", "n": 2}, 400)["error"]
    assert error["param"] == "scaling.scorer"
    assert "likelihood" in error["message"]


def test_auto_stops_where_the_trial_answers_agree(server_url: str) -> None:
    natural = plain(server_url, 1, temperature=0)["choices"][0]
    wanted = {"method": "auto", "every": 4, "patience": 2}
    whole = ask(server_url, wanted, temperature=0)
    (choice,) = whole["choices"]
    thinking = choice["message"]["reasoning_content"]
    assert natural["message"]["reasoning_content"].startswith(thinking)
    assert choice["thinking"]["end"] == "settled"
    assert choice["thinking"]["tokens"] < natural["thinking"]["tokens"]
    assert "Final Answer:" in choice["message"]["content"]
    tokens, usage = whole["scaling"]["tokens"], whole["usage"]
    assert tokens["probe"]["asks"] == whole["scaling"]["probes"] >= 2
    assert usage["completion_tokens"] == sum(each["tokens"] for each in tokens.values())
    assert usage["completion_tokens_details"]["reasoning_tokens"] == choice["thinking"]["tokens"]


def test_auto_that_never_settles_is_the_natural_stop_token_for_token(server_url: str) -> None:
    natural = plain(server_url, 1, temperature=0)["choices"][0]
    for probe in ({"patience": 99}, {"probe": "entropy", "variance": 1e-300}):
        whole = ask(server_url, {"method": "auto", "every": 16, **probe}, temperature=0)
        (choice,) = whole["choices"]
        assert choice["message"] == natural["message"]
        assert choice["thinking"] == natural["thinking"]
        assert whole["scaling"]["probes"] > 3


def test_auto_with_waits_is_the_engines_waits_token_for_token(server_url: str) -> None:
    budget = {"num_waits": 2, "nudge": ["Wait", "So"]}
    forced = plain(server_url, 1, temperature=0, messages=HARD, thinking_budget=budget)["choices"][0]
    wanted = {"method": "auto", "every": 24, "patience": 99}
    whole = ask(server_url, wanted, temperature=0, messages=HARD, thinking_budget=budget)
    (choice,) = whole["choices"]
    assert choice["message"] == forced["message"]
    assert choice["thinking"] == forced["thinking"]


def test_auto_streams_its_thinking_as_it_comes(server_url: str) -> None:
    wanted = {"method": "auto", "every": 4, "patience": 2}
    whole = ask(server_url, wanted, temperature=0)
    told = events(server_url, wanted, temperature=0)
    pieces = [each["choices"][0]["delta"].get("reasoning_content") for each in told]
    assert sum(piece is not None for piece in pieces) > 2
    assert "".join(piece or "" for piece in pieces) == whole["choices"][0]["message"]["reasoning_content"]
    assert told[-1]["scaling"] == whole["scaling"]


def test_auto_is_also_a_word_for_the_budget(server_url: str) -> None:
    body = {"model": "s1-nano", "messages": QUESTION, "thinking_budget": "auto"}
    whole = httpx.post(server_url + CHAT, json=body, timeout=60).json()
    assert whole["scaling"]["method"] == "auto"
    refused = httpx.post(server_url + CHAT, json={**body, "scaling": {"method": "majority", "n": 2}})
    assert refused.status_code == 400


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"thinking_budget": {"min_tokens": 5}}, "thinking_budget.min_tokens"),
        ({"thinking_budget": {"max_tokens": 50, "detail": True}}, "thinking_budget.detail"),
        ({"logprobs": True}, "logprobs"),
        ({"presence_penalty": 0.5}, "presence_penalty"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
    ],
)
def test_what_pieces_cannot_keep_is_refused(server_url: str, changes: dict[str, Any], field: str) -> None:
    error = ask(server_url, {"method": "auto"}, 400, **changes)["error"]
    assert error["param"] == field


@pytest.mark.parametrize(("reserve", "most"), [(None, 80), (100, 200), (50, 60), (0, 60), (None, 5)])
def test_the_answers_reserve_is_kept_when_thinking_is_asked_for_in_steps(
    server_url: str, reserve: int | None, most: int
) -> None:
    changes: dict[str, Any] = {"temperature": 0, "max_completion_tokens": most}
    if reserve is not None:
        changes["thinking_budget"] = {"answer_reserve_tokens": reserve}
    whole = ask(server_url, {"method": "auto", "every": 12, "patience": 99}, **changes)
    (choice,), (alone,) = whole["choices"], plain(server_url, 1, **changes)["choices"]
    assert choice["thinking"] == alone["thinking"]
    assert choice["thinking"]["end"] == "context"
    assert choice["message"]["content"] == alone["message"]["content"]
    tokens = whole["scaling"]["tokens"]
    assert sum(kind["tokens"] for name, kind in tokens.items() if name != "probe") <= most


def test_a_reserve_that_cannot_be_had_is_refused_in_pieces_too(server_url: str) -> None:
    budget = {"answer_reserve_tokens": 100}
    error = ask(server_url, {"method": "auto"}, 400, thinking_budget=budget, max_tokens=80)["error"]
    assert error["param"] == "thinking_budget.answer_reserve_tokens"


STEP = "yet.\n"
"""s1-nano's "None yet." ends a batch of candidates: its natural step."""


def test_a_scaled_response_is_ended_between_two_of_its_steps(server_url: str, scorer: FakeScorer) -> None:
    said = []

    def like(_: str) -> float:
        control = {"id": "chatcmpl-between", "action": "end_thinking"}
        said.append(httpx.post(f"{server_url}{CHAT}/control", json=control).json())
        return 0.5

    scorer.like = like
    wanted = {"method": "rebase", "width": 1, "step": "\n", "scorer": "pooling"}
    body = {"model": "s1-nano", "messages": HARD, "scaling": wanted}
    response = httpx.post(server_url + CHAT, json=body, headers={"X-Request-Id": "between"}, timeout=60)
    whole = response.json()
    assert said[0] == {"success": True}
    assert whole["id"] == "chatcmpl-between"
    report = whole["choices"][0]["thinking"]
    assert report["end"] == "requested"
    assert report["forced_tokens"] == 1
    assert whole["scaling"]["rounds"] == 2


def test_words_that_are_suppressed_do_not_come_in_pieces_either(server_url: str) -> None:
    wanted = {"method": "auto", "patience": 1000}
    thinking = [
        ask(server_url, wanted, messages=HARD, thinking_budget={"suppress": words})["choices"][0]["message"]
        for words in ([], ["yet"])
    ]
    assert ["yet" in each["reasoning"] for each in thinking] == [True, False]


def test_rebase_grows_what_the_reward_model_likes(server_url: str, scorer: FakeScorer) -> None:
    # It likes long thinking best: of four first steps the longest line gets all of the second round.
    scorer.like = lambda text: min(1.0, len(text) / 100)
    wanted = {"method": "rebase", "width": 4, "step": STEP, "scorer": "pooling", "temperature": 1e-6}
    whole = ask(server_url, wanted, messages=HARD, temperature=1.5)
    seen = [body["messages"][-1]["content"] for _, body, _ in scorer.requests]
    first, second = seen[:4], seen[4:]
    opened = [text for text in first if text.endswith(STEP)]
    if opened and second:
        longest = max(opened, key=len)
        width = 4 - (len(first) - len(opened))
        assert [text.startswith(longest) for text in second[:width]] == [True] * width
    found = whole["scaling"]
    assert found["steps"] == len(seen) == found["scorer"]["calls"]
    assert len(found["lines"]) == 4
    tokens, usage = found["tokens"], whole["usage"]
    assert usage["completion_tokens"] == tokens["step"]["tokens"] + tokens["answer"]["tokens"]
    assert usage["completion_tokens_details"]["reasoning_tokens"] == tokens["step"]["thinking_tokens"]
    assert "Final Answer:" in whole["choices"][0]["message"]["content"]


def test_shared_stems_come_out_of_the_prefix_cache_and_the_bill_shows_it(server_url: str) -> None:
    # The cache's blocks are of 128 tokens on a CPU: a stem of one of them is not computed again.
    wanted = {"method": "rebase", "width": 4, "depth": 2, "step": "#", "step_tokens": 120}
    whole = ask(
        server_url,
        {**wanted, "scorer": "likelihood", "temperature": 1e-6},
        temperature=1,
        messages=[{"role": "user", "content": "Find the smallest prime factor of 1369."}],
    )
    cached = whole["usage"]["prompt_tokens_details"]["cached_tokens"]
    assert whole["scaling"]["rounds"] == 2
    assert cached >= 4 * 128
    assert cached % 128 == 0


def test_beam_answers_its_best_line_only(server_url: str, scorer: FakeScorer) -> None:
    scorer.like = lambda text: min(1.0, len(text) / 1000)
    wanted = {"method": "beam", "width": 4, "beams": 2, "step": STEP, "scorer": "classify"}
    whole = ask(server_url, wanted, messages=HARD, temperature=1.5)
    assert whole["scaling"]["tokens"]["answer"]["asks"] == 1
    (line,) = whole["scaling"]["lines"]
    assert whole["choices"][0]["thinking"]["tokens"] == line["thinking_tokens"]


def test_lines_keep_the_maximum(server_url: str) -> None:
    wanted = {"method": "rebase", "width": 3, "step": STEP, "scorer": "likelihood"}
    whole = ask(server_url, wanted, temperature=1, thinking_budget=30)
    assert [line["thinking_tokens"] for line in whole["scaling"]["lines"]] == [30, 30, 30]
    assert whole["choices"][0]["thinking"]["end"] == "max_tokens"
    assert "Final Answer:" in whole["choices"][0]["message"]["content"]


def test_thinking_goes_on_beyond_its_window(server_url: str) -> None:
    wanted = {"method": "beyond_context", "window": 40, "summary_tokens": 16, "rounds": 3}
    whole = ask(server_url, wanted, messages=HARD, thinking_budget={"num_waits": 0})
    found, thinking = whole["scaling"], whole["choices"][0]["thinking"]
    assert found["rounds"] == 3
    assert whole["choices"][0]["message"]["reasoning"].count(SUM_UP) == 2
    assert thinking["end"] in ("natural", "context")
    assert found["tokens"]["step"]["asks"] == 5  # three windows, two sums
    # What was put into its mouth counts as its thinking, and is on no bill.
    forced = thinking["tokens"] - whole["usage"]["completion_tokens_details"]["reasoning_tokens"]
    assert forced > 0
    assert thinking["forced_tokens"] >= forced
    assert "Final Answer:" in whole["choices"][0]["message"]["content"]


def test_beyond_the_context_is_also_a_field_of_the_budget(server_url: str) -> None:
    whole = plain(server_url, 1, thinking_budget={"beyond_context": "summarize", "max_tokens": 30})
    assert whole["scaling"]["method"] == "beyond_context"
    assert whole["scaling"]["rounds"] == 1
    assert whole["choices"][0]["thinking"]["tokens"] <= 30
