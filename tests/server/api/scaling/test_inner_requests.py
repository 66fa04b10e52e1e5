"""Methods that ask for thinking in pieces, on the real server: `auto`, tree search, beyond the context."""

from typing import Any

import httpx
import pytest

from server.scaling.methods.beyond_context import SUM_UP
from tests.server.api.scaling.scaled import CHAT, HARD, QUESTION, ask, events, plain
from tests.server.scaling.fake_scorer import FakeScorer


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
    whole = httpx.post(server_url + CHAT, json=body, timeout=300).json()
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
    response = httpx.post(server_url + CHAT, json=body, headers={"X-Request-Id": "between"}, timeout=300)
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
    assert len(seen) == len(set(seen))  # equal lines are scored once
    opened = [text for text in seen if text.find(STEP) == len(text) - len(STEP)]
    later = [text for text in seen if STEP in text and text not in opened]
    longest = max(opened, key=len, default="")
    assert all(text.startswith(longest) for text in later)
    found = whole["scaling"]
    assert found["steps"] >= len(seen) == found["scorer"]["calls"] >= 2
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
    # What was put into its mouth counts as its thinking, and is in no usage.
    forced = thinking["tokens"] - whole["usage"]["completion_tokens_details"]["reasoning_tokens"]
    assert forced > 0
    assert thinking["forced_tokens"] >= forced
    assert "Final Answer:" in whole["choices"][0]["message"]["content"]


def test_beyond_the_context_is_also_a_field_of_the_budget(server_url: str) -> None:
    whole = plain(server_url, 1, thinking_budget={"beyond_context": "summarize", "max_tokens": 30})
    assert whole["scaling"]["method"] == "beyond_context"
    assert whole["scaling"]["rounds"] == 1
    assert whole["choices"][0]["thinking"]["tokens"] <= 30


def test_a_margin_of_nothing_is_the_natural_stop_and_a_large_one_ends_thinking_early(server_url: str) -> None:
    natural = plain(server_url, 1, temperature=0, messages=HARD)["choices"][0]
    for margin in (0.0, 8.0):
        wanted = {"method": "auto", "probe": "margin", "margin": margin}
        whole = ask(server_url, wanted, temperature=0, messages=HARD)
        (choice,) = whole["choices"]
        probes = whole["scaling"]["tokens"]["probe"]
        assert probes["asks"] == probes["tokens"] == whole["scaling"]["probes"] >= 1
        thinking = choice["message"]["reasoning_content"]
        assert natural["message"]["reasoning_content"].startswith(thinking)
        is_early = choice["thinking"]["tokens"] < natural["thinking"]["tokens"]
        assert (is_early, choice["thinking"]["end"]) == (margin > 0, "settled")


def test_deepconf_stops_lines_that_lose_confidence(server_url: str) -> None:
    wanted = {"method": "deepconf", "n": 8, "warmup": 3, "keep": 5, "window": 8, "every": 8}
    whole = ask(server_url, wanted, temperature=1.5, messages=HARD)
    found = whole["scaling"]
    stopped = [line for line in found["lines"] if line["end"] == "stopped"]
    kept = [line for line in found["lines"] if line["end"] != "stopped"]
    assert stopped
    assert all(line["thinking_tokens"] % 8 == 0 for line in stopped)
    assert all(line["confidence"] < found["threshold"] for line in stopped)
    voters = sum(line["confidence"] >= found["threshold"] for line in kept)
    assert found["tokens"]["answer"]["asks"] == voters == sum(len(vote["samples"]) for vote in found["votes"])
    spent = whole["usage"]["completion_tokens_details"]["reasoning_tokens"]
    assert spent == sum(line["thinking_tokens"] for line in found["lines"])
