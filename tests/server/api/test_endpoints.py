"""Budgets through every endpoint of the real server, with the clients that people use."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import openai
import pytest

QUESTION = "Find the smallest prime factor of 391."
MESSAGES: Any = [{"role": "user", "content": QUESTION}]


@pytest.fixture(scope="module")
def client(server_url: str) -> Iterator[openai.OpenAI]:
    # closed: what a collector finds open fails whatever test runs then
    with openai.OpenAI(base_url=f"{server_url}/v1", api_key="none", max_retries=0, timeout=300) as opened:
        yield opened


def chat(client: openai.OpenAI, budget: Any = None, **extra: Any) -> Any:
    """One chat completion, greedy unless told otherwise."""
    body = {} if budget is None else {"thinking_budget": budget}
    body |= extra.pop("extra_body", {})
    return client.chat.completions.create(
        **{"model": "s1-nano", "messages": MESSAGES, "temperature": 0, "extra_body": body, **extra}
    )


def thinking_of(choice: Any) -> dict[str, Any]:
    report: dict[str, Any] = choice.thinking
    return report


# -- chat ----------------------------------------------------------------------------------------------


def test_the_readmes_question_is_answered_with_an_exact_account(client: openai.OpenAI) -> None:
    response = chat(client, {"num_waits": 2, "max_tokens": 400})
    (choice,) = response.choices
    assert "17" in choice.message.content
    assert choice.message.content.strip().endswith("17")
    assert "</think>" not in choice.message.content
    assert choice.message.reasoning_content == choice.message.reasoning
    report = thinking_of(choice)
    assert report["waits_used"] == 2
    assert report["end"] == "natural"
    assert report["forced_tokens"] == 2  # "Wait" is one token of s1-nano's
    assert response.usage.completion_tokens_details.reasoning_tokens == report["tokens"]


def test_maximum_is_kept_to_the_token_and_answered(client: openai.OpenAI) -> None:
    response = chat(client, 12)
    (choice,) = response.choices
    assert thinking_of(choice) == {
        "tokens": 12,
        "max_tokens": 12,
        "min_tokens": 0,
        "num_waits": 0,
        "waits_used": 0,
        "forced_tokens": thinking_of(choice)["forced_tokens"],
        "end": "max_tokens",
    }
    assert choice.message.content.startswith("\n\nFinal Answer:")
    assert any(character.isdigit() for character in choice.message.content)


def test_zero_skips_thinking(client: openai.OpenAI) -> None:
    (choice,) = chat(client, 0).choices
    assert not choice.message.reasoning_content
    assert thinking_of(choice)["tokens"] == 0


def test_minimum_is_reached(client: openai.OpenAI) -> None:
    natural = thinking_of(chat(client).choices[0])["tokens"]
    (choice,) = chat(client, {"min_tokens": natural + 40}).choices
    assert thinking_of(choice)["tokens"] >= natural + 40
    assert thinking_of(choice)["waits_used"] >= 1


def test_end_message_is_the_requests(client: openai.OpenAI) -> None:
    (choice,) = chat(client, {"max_tokens": 8, "end_message": "\n\nFinal Answer: 4"}).choices
    assert choice.message.content.startswith("\n\nFinal Answer: 4")


def test_request_without_a_budget_is_reported_too(client: openai.OpenAI) -> None:
    (choice,) = chat(client).choices
    assert thinking_of(choice)["max_tokens"] == -1
    assert thinking_of(choice)["end"] == "natural"


def test_stream_says_what_the_whole_response_says(client: openai.OpenAI) -> None:
    whole = chat(client, {"num_waits": 1, "max_tokens": 60})
    stream = chat(
        client, {"num_waits": 1, "max_tokens": 60}, stream=True, stream_options={"include_usage": True}
    )
    thinking = content = ""
    report: Any = None
    usage: Any = None
    for chunk in stream:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            delta = choice.delta
            assert getattr(delta, "reasoning", None) == getattr(delta, "reasoning_content", None)
            thinking += getattr(delta, "reasoning_content", None) or ""
            content += delta.content or ""
            if choice.finish_reason:
                report = choice.thinking
    message = whole.choices[0].message
    assert (thinking, content) == (message.reasoning_content, message.content)
    assert report == thinking_of(whole.choices[0])
    assert usage.completion_tokens_details.reasoning_tokens == report["tokens"]
    assert usage.completion_tokens == whole.usage.completion_tokens


def test_each_of_n_choices_has_its_own_report(client: openai.OpenAI) -> None:
    response = chat(client, {"num_waits": 1, "max_tokens": 300}, n=8, temperature=1.0, seed=3)
    reports = [thinking_of(choice) for choice in response.choices]
    for choice, report in zip(response.choices, reports, strict=True):
        said = choice.message.reasoning_content.count("Wait")
        assert report["waits_used"] <= said
        assert (report["end"] == "max_tokens") == (report["tokens"] == 300)
    assert len({report["tokens"] for report in reports}) > 1
    total = sum(report["tokens"] for report in reports)
    assert response.usage.completion_tokens_details.reasoning_tokens == total


def test_seed_repeats_a_forced_sample(client: openai.OpenAI) -> None:
    budget = {"num_waits": 2, "max_tokens": 90}
    one, other = (chat(client, budget, temperature=1.0, seed=11).choices[0].message for _ in range(2))
    assert (one.reasoning_content, one.content) == (other.reasoning_content, other.content)


def test_logprobs_stand_for_forced_tokens_as_for_any_other(client: openai.OpenAI) -> None:
    response = chat(client, 10, logprobs=True, top_logprobs=2)
    tokens = [entry.token for entry in response.choices[0].logprobs.content]
    assert len(tokens) == response.usage.completion_tokens
    assert tokens[10] == "</think>"


def test_stop_strings_act_on_the_answer_only(client: openai.OpenAI) -> None:
    plain = chat(client, {"max_tokens": 300}).choices[0].message
    word = next(word for word in plain.reasoning_content.split() if len(word) > 2)
    (choice,) = chat(client, {"max_tokens": 300}, stop=[word, "Answer"]).choices
    assert choice.message.reasoning_content == plain.reasoning_content
    assert choice.finish_reason == "stop"
    assert "Answer" not in choice.message.content
    assert "Final" in choice.message.content


def test_stop_strings_hold_from_the_first_word_where_nothing_is_thought(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": "s1-nano", "prompt": "2: 3>1, ", "max_tokens": 12, "temperature": 0}
    text = client.completions.create(**asked).choices[0].text
    for word in text.split()[:3]:
        (choice,) = client.completions.create(**asked, stop=[word]).choices
        assert (choice.text, choice.finish_reason) == (text[: text.index(word)], "stop")


def test_line_breaks_that_open_an_answer_are_no_stop(client: openai.OpenAI) -> None:
    """lm-eval and others send "\\n\\n" with every request."""
    (choice,) = chat(client, 10, stop=["\n\n"]).choices
    assert any(character.isdigit() for character in choice.message.content)


def test_stop_tokens_act_on_the_answer_only(client: openai.OpenAI, server_url: str) -> None:
    ids = httpx.post(f"{server_url}/tokenize", json={"model": "s1-nano", "prompt": "\n"}).json()["tokens"]
    response = chat(client, 30, extra_body={"stop_token_ids": ids})
    (choice,) = response.choices
    assert thinking_of(choice)["tokens"] == 30
    assert "\n" in choice.message.reasoning_content


def test_answer_is_not_lost_to_a_small_max_completion_tokens(client: openai.OpenAI) -> None:
    (choice,) = chat(client, {"num_waits": 8}, max_completion_tokens=60).choices
    assert thinking_of(choice)["end"] == "context"
    assert any(character.isdigit() for character in choice.message.content)


@pytest.mark.parametrize("budget", [{"max_tokens": 15}, {"num_waits": 1, "max_tokens": 60}, 0], ids=str)
def test_structured_answer_is_valid_behind_forced_thinking(client: openai.OpenAI, budget: Any) -> None:
    structure = {"regex": r'\{"x": [0-9]{1,4}\}'}
    (choice,) = chat(client, budget, max_tokens=100, extra_body={"structured_outputs": structure}).choices
    assert isinstance(json.loads(choice.message.content)["x"], int)
    assert thinking_of(choice)["forced_tokens"] >= 1


def test_response_format_gets_no_cue(client: openai.OpenAI) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}}}
    (choice,) = chat(client, 15, max_tokens=40, response_format=form).choices
    assert choice.message.content.startswith("{")


def test_nothing_is_forced_inside_a_tool_call(client: openai.OpenAI) -> None:
    """s1-nano was never taught to call a tool; the grammar makes it begin one, behind the close."""
    tool = {"type": "function", "function": {"name": "answer", "parameters": {"type": "object"}}}
    named = {"type": "function", "function": {"name": "answer"}}
    (choice,) = chat(client, 20, tools=[tool], tool_choice=named, max_tokens=60).choices
    assert (thinking_of(choice)["tokens"], thinking_of(choice)["forced_tokens"]) == (20, 1)
    called = choice.message.tool_calls
    assert called or choice.message.content.startswith('<tool_call>\n{"name": "answer", "arguments": ')


def test_hidden_thinking_is_counted(client: openai.OpenAI) -> None:
    response = chat(client, 20, extra_body={"reasoning": {"exclude": True}})
    assert not getattr(response.choices[0].message, "reasoning_content", None)
    assert response.usage.completion_tokens_details.reasoning_tokens == 20


# -- spellings, efforts, models --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spelling",
    [
        {"thinking_token_budget": 9},
        {"max_thinking_tokens": 9},
        {"thinking": {"type": "enabled", "budget_tokens": 9}},
        {"reasoning": {"max_tokens": 9}},
        {"chat_template_kwargs": {"thinking_budget": 9}},
        {"google": {"thinking_config": {"thinking_budget": 9}}},
        {"nvext": {"max_thinking_tokens": 9}},
        {"custom_params": {"thinking_budget": 9}},
        {"enable_thinking": True, "thinking_budget": 9},
        {"model": "s1-nano:think=9"},
    ],
    ids=lambda spelling: "+".join(spelling),
)
def test_spelling_reaches_the_engine(client: openai.OpenAI, spelling: dict[str, Any]) -> None:
    model = spelling.get("model", "s1-nano")
    body = {key: value for key, value in spelling.items() if key != "model"}
    (choice,) = chat(client, model=model, extra_body=body).choices
    assert thinking_of(choice)["max_tokens"] == 9
    assert thinking_of(choice)["tokens"] == 9


def test_thinking_can_be_switched_off(client: openai.OpenAI) -> None:
    (choice,) = chat(client, extra_body={"enable_thinking": False}).choices
    assert thinking_of(choice)["tokens"] == 0


def test_effort_is_a_number_of_tokens(client: openai.OpenAI) -> None:
    assert thinking_of(chat(client, reasoning_effort="low").choices[0])["max_tokens"] == 1024


# -- the other endpoints ---------------------------------------------------------------------------------


def test_completions_reports_every_choice_of_every_prompt(client: openai.OpenAI) -> None:
    prompts = [f"<|im_start|>user\n{QUESTION}<|im_end|>\n<|im_start|>assistant\n<think>\n", QUESTION]
    response: Any = client.completions.create(
        model="s1-nano",
        prompt=prompts,
        n=2,
        max_tokens=60,
        temperature=1.0,
        extra_body={"thinking_budget": 7},
    )
    reports = {choice.index: choice.thinking for choice in response.choices}
    assert [reports[i]["tokens"] for i in range(2)] == [7, 7]
    assert all("</think>" in choice.text for choice in response.choices[:2])
    assert [reports[i]["tokens"] for i in (2, 3)] == [0, 0]


def test_responses_endpoint_keeps_the_budget(client: openai.OpenAI) -> None:
    response: Any = client.responses.create(
        model="s1-nano", input=QUESTION, temperature=0, extra_body={"thinking_budget": {"max_tokens": 11}}
    )
    assert response.thinking["tokens"] == 11
    assert response.usage.output_tokens_details.reasoning_tokens == 11
    assert "Final Answer:" in response.output_text


def test_anthropics_client_keeps_a_budget_below_1024(server_url: str) -> None:
    with anthropic.Anthropic(base_url=server_url, api_key="none", max_retries=0) as claude:
        message: Any = claude.messages.create(
            model="s1-nano",
            max_tokens=100,
            messages=MESSAGES,
            thinking={"type": "enabled", "budget_tokens": 13},
        )
    assert message.thinking["tokens"] == 13
    assert [block.type for block in message.content] == ["thinking", "text"]


def test_anthropics_stream_ends_with_the_report(server_url: str) -> None:
    body = {
        "model": "s1-nano",
        "max_tokens": 100,
        "messages": MESSAGES,
        "stream": True,
        "thinking": {"type": "enabled", "budget_tokens": 13},
    }
    text = httpx.post(f"{server_url}/v1/messages", json=body, timeout=300).text
    events = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    kinds = Counter(event["type"] for event in events)
    assert kinds["message_stop"] == 1
    (final,) = [event for event in events if event["type"] == "message_delta"]
    assert final["thinking"]["tokens"] == 13


@pytest.mark.parametrize("path", ["/v1/models", "/health", "/metrics", "/version"])
def test_vllms_other_endpoints_answer(server_url: str, path: str) -> None:
    assert httpx.get(server_url + path).status_code == 200


def test_models_say_their_family(server_url: str) -> None:
    model = httpx.get(f"{server_url}/v1/models").json()["data"][0]
    assert (model["id"], model["thinking_family"]) == ("s1-nano", "think")


def test_tokenize_round_trips(server_url: str) -> None:
    tokens = httpx.post(f"{server_url}/tokenize", json={"model": "s1-nano", "prompt": QUESTION}).json()[
        "tokens"
    ]
    answer = httpx.post(f"{server_url}/detokenize", json={"model": "s1-nano", "tokens": tokens}).json()
    assert answer["prompt"] == QUESTION
