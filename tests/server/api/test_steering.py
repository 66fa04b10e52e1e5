"""Soft landing, loop breaker, NoWait and AlphaOne on the real server, in the words of a client."""

from typing import Any

import httpx
import pytest

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
QUESTION = "Find the smallest prime factor of 391."
END_ID, ZERO_ID = 4, 20
CUE = "\n\nFinal Answer:"


def post(url: str, path: str, body: dict[str, Any]) -> Any:
    """The only choice of a good response."""
    response = httpx.post(url + path, json={"model": "s1-nano", "temperature": 0, **body}, timeout=120)
    assert response.status_code == 200, response.text
    choices = response.json()["choices"]
    return choices[0] if len(choices) == 1 else choices


def ask(url: str, budget: dict[str, Any], **more: Any) -> Any:
    return post(
        url, CHAT, {"messages": [{"role": "user", "content": QUESTION}], "thinking_budget": budget, **more}
    )


def go_on(url: str, thinking: str, budget: dict[str, Any], **more: Any) -> Any:
    """A completion of thinking that stands so far."""
    prompt = f"<|im_start|>user\n{QUESTION}<|im_end|>\n<|im_start|>assistant\n<think>\n{thinking}"
    return post(url, COMPLETIONS, {"prompt": prompt, "max_tokens": 300, "thinking_budget": budget, **more})


# -- soft landing --------------------------------------------------------------------------------------


def test_landing_closes_at_the_end_of_a_line_where_the_hard_cut_breaks_one_off(server_url: str) -> None:
    cut = ask(server_url, {"max_tokens": 64})
    landed = ask(server_url, {"max_tokens": 64, "grace_tokens": "auto"})
    thinking = cut["message"]["reasoning_content"]
    assert (cut["thinking"]["tokens"], thinking[-1] != "\n") == (64, True)
    assert thinking.startswith(landed["message"]["reasoning_content"])
    assert landed["message"]["reasoning_content"].endswith("\n")
    assert (58 <= landed["thinking"]["tokens"] < 64, landed["thinking"]["end"]) == (True, "max_tokens")
    assert landed["message"]["content"].startswith(CUE)


def test_landing_closes_where_the_end_is_likely_though_another_token_is_likelier(server_url: str) -> None:
    so_far = "2: 3>1, 19>1, 11>1 no\n3: 3>0, 09>0, 01>1 no\nNone yet.\n"
    likely = {str(END_ID): 3.0}  # from 0.016 to 0.25
    hard = go_on(server_url, so_far, {"max_tokens": 40}, logit_bias=likely)
    assert hard["text"].startswith("Wait, try 5.")
    landed = go_on(server_url, so_far, {"max_tokens": 40, "grace_tokens": 40}, logit_bias=likely)
    assert not landed["text"].startswith("Wait")
    report = landed["thinking"]
    assert (report["tokens"], report["forced_tokens"], report["end"]) == (0, 1, "max_tokens")
    unlikely = go_on(server_url, so_far, {"max_tokens": 40, "grace_tokens": 40})
    assert unlikely["text"].startswith("Wait, try 5.\n")


def test_landing_needs_something_to_land_before(server_url: str) -> None:
    body = {"model": "s1-nano", "messages": [{"role": "user", "content": QUESTION}]}
    response = httpx.post(
        server_url + CHAT, json={**body, "thinking_budget": {"grace_tokens": 9}}, timeout=300
    )
    assert (response.status_code, response.json()["error"]["param"]) == (400, "thinking_budget.grace_tokens")


# -- loop breaker: a bias makes the model say 0 for ever; its answer is stopped -----------------------------

LOOPS = {"logit_bias": {str(ZERO_ID): 100.0}, "max_completion_tokens": 1500, "stop": ["00"]}


def test_loop_is_closed_and_answered_without_being_asked_for(server_url: str) -> None:
    choice = ask(server_url, {}, **LOOPS)
    assert choice["thinking"]["end"] == "loop"
    assert choice["message"]["reasoning_content"] == "0" * 448  # 400, and the next multiple of 64
    assert choice["message"]["content"].startswith(CUE)


def test_loop_is_nudged_on_by_another_word_while_waits_are_left(server_url: str) -> None:
    choice = ask(server_url, {"num_waits": 1, "detail": True}, **LOOPS)
    report = choice["thinking"]
    assert (report["end"], report["waits_used"]) == ("loop", 1)
    (span,) = (span for span in report["forced_spans"] if span["kind"] == "nudge")
    assert choice["message"]["reasoning_content"][span["start"] : span["end"]] == "Alternatively"
    assert span["start"] == 448


@pytest.mark.parametrize("budget", [{"max_tokens": 600}, {"on_loop": "ignore"}])
def test_loop_goes_on_under_a_small_maximum_and_where_it_is_wanted(
    server_url: str, budget: dict[str, Any]
) -> None:
    asked = {**LOOPS, "max_completion_tokens": 1000}
    assert ask(server_url, budget, **asked)["thinking"]["end"] in ("max_tokens", "context")


# -- NoWait ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", ["nowait", ["wait"]])
def test_suppressed_word_is_not_thought_and_what_it_led_to_is_not_either(server_url: str, words: Any) -> None:
    usual, silent = ask(server_url, {"max_tokens": 300}), ask(server_url, {"suppress": words})
    assert "Wait" in usual["message"]["reasoning_content"]
    assert "Wait" not in silent["message"]["reasoning_content"]
    assert silent["thinking"]["tokens"] < usual["thinking"]["tokens"]
    assert "Wait" in ask(server_url, {"suppress": words, "num_waits": 1})["message"]["reasoning_content"]


def test_word_that_is_not_one_token_is_refused_by_name(server_url: str) -> None:
    body = {"model": "s1-nano", "messages": [{"role": "user", "content": QUESTION}]}
    asked = {"thinking_budget": {"suppress": ["Wait", "verify"]}}
    response = httpx.post(server_url + CHAT, json={**body, **asked}, timeout=300)
    assert response.status_code == 400
    assert "'verify'" in response.json()["error"]["message"]


# -- AlphaOne --------------------------------------------------------------------------------------------


def test_alpha_ends_thinking_at_the_models_own_wait_from_its_moment_on(server_url: str) -> None:
    choice = ask(server_url, {"alpha_tokens": 0})
    assert "Wait" not in choice["message"]["reasoning_content"]
    assert (choice["thinking"]["end"], choice["thinking"]["forced_tokens"]) == ("alpha", 1)


def test_alpha_says_wait_of_its_own_until_its_moment_by_the_requests_seed(server_url: str) -> None:
    def thoughts(seed: int) -> list[str]:
        asked = {"alpha_tokens": 300, "max_tokens": 300}
        choices = ask(server_url, asked, n=3, seed=seed, temperature=0.01)
        assert all(choice["thinking"]["forced_tokens"] > 3 for choice in choices)
        return [choice["message"]["reasoning_content"] for choice in choices]

    first = thoughts(5)
    assert thoughts(5) == first
    assert len({*first, *thoughts(9)}) > 3  # each choice draws for itself
