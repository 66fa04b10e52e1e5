"""`scaling` on the real server: one request, one answer, one usage; streams; and nothing left running."""

import asyncio
import math
from typing import Any

import httpx
import pytest
from openai import OpenAI

from tests.server.api.scaling.scaled import CHAT, HARD, QUESTION, ask, events, plain
from tests.server.scaling.fake_scorer import FakeScorer


def gauge(url: str, name: str) -> float:
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(f"{name}{{"))


async def idle(url: str, seconds: float = 300.0) -> bool:
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
    async with httpx.AsyncClient(timeout=300) as client:
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
        response = httpx.post(server_url + CHAT, json={**body, "scaling": wanted}, timeout=300)
        if stream:
            assert '"param":"scaling.scorer"' in response.text
            assert response.text.endswith("data: [DONE]\n\n")
        else:
            assert response.status_code == 502
            error = response.json()["error"]
            assert error["param"] == "scaling.scorer"
            assert "'score' cannot be reached" in error["message"]


def test_a_scorer_that_talks_nonsense_is_a_502(server_url: str, scorer: FakeScorer) -> None:
    scorer.answer = (200, b'{"data": "nice"}')
    error = ask(server_url, {"method": "best_of_n", "n": 2, "scorer": "score"}, 502)["error"]
    assert "returned no score" in error["message"]


def test_where_there_are_several_scorers_one_must_be_named(server_url: str) -> None:
    error = ask(server_url, {"method": "best_of_n", "n": 2}, 400)["error"]
    assert error["param"] == "scaling.scorer"
    assert "likelihood" in error["message"]
