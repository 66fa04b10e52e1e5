"""Each kind of scorer is asked in its own shape and read in it; what is no score is an error."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from server.scaling.scorers.endpoint import Scorers, ScorerSettings
from server.scaling.scorers.judge import parse_score, text_of
from server.scaling.scorers.scorer import Scorable, ScorerError
from tests.server.scaling.fake_scorer import FakeScorer, running

QUESTION = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2 + 2?"}]
KINDS = ("score", "classify", "pooling", "judge")
TEXTS = {"four": 0.75, "five": 0.25, "who knows": 0.5}


@pytest.fixture
def fake() -> Iterator[FakeScorer]:
    with running() as scorer:
        scorer.like = lambda text: TEXTS[text]
        yield scorer


@pytest.fixture
async def scorers(fake: FakeScorer) -> AsyncIterator[Scorers]:
    named = {kind: ScorerSettings(kind=kind, url=fake.url, model="rm") for kind in KINDS}
    async with Scorers(named) as found:
        yield found


def candidates(*texts: str) -> list[Scorable]:
    return [Scorable((text,)) for text in texts]


@pytest.mark.parametrize("kind", ["score", "classify", "pooling"])
async def test_vllms_own_endpoints(kind: str, scorers: Scorers, fake: FakeScorer) -> None:
    scorer = scorers.scorer(kind, QUESTION)
    assert await scorer.score(candidates(*TEXTS)) == list(TEXTS.values())
    assert {path for path, _, _ in fake.requests} == {f"/{kind}"}
    assert all(body["model"] == "rm" for _, body, _ in fake.requests)
    assert scorer.usage.calls == len(fake.requests)
    assert scorer.usage.tokens == 5 * len(fake.requests)
    asked = fake.requests[0][1]
    if kind == "score":
        assert asked["text_1"] == "2 + 2?"
    else:
        assert asked["messages"][:2] == QUESTION
        assert asked["messages"][2]["role"] == "assistant"


@pytest.mark.parametrize(
    ("more", "shown"),
    [
        ({}, ["one. two. ", "7", ""]),
        ({"end_mark": "</think>"}, ["one. two. ", "one. two. </think>", "7", ""]),
        ({"step_mark": "|"}, ["one. |two. |", "7", ""]),
        (
            {"reads_thinking": True, "end_mark": "</think>"},
            ["one. two. ", "one. two. </think>", "so </think>7", "so "],
        ),
    ],
)
async def test_what_a_scorer_is_shown_is_as_its_settings_say(
    fake: FakeScorer, more: dict[str, Any], shown: list[str]
) -> None:
    fake.like = lambda _: 0.5
    steps = ("one. ", "two. ")
    lines = [Scorable(steps), Scorable(steps, is_ended=True)]
    samples = [Scorable(("so ",), is_ended=True, answer="7"), Scorable(("so ",), answer="")]
    async with Scorers({"prm": ScorerSettings(kind="score", url=fake.url, **more)}) as scorers:
        await scorers.scorer("prm", QUESTION).score([*lines, *samples])
    assert fake.requests[0][1]["text_2"] == shown


async def test_a_text_is_scored_once_in_a_request(scorers: Scorers, fake: FakeScorer) -> None:
    scorer = scorers.scorer("classify", QUESTION)
    assert await scorer.score(candidates("four", "five", "four")) == [0.75, 0.25, 0.75]
    assert await scorer.score(candidates("five", "who knows")) == [0.25, 0.5]
    assert await scorer.score(candidates("five")) == [0.25]
    asked = [body["messages"][-1]["content"] for _, body, _ in fake.requests]
    assert sorted(asked) == ["five", "four", "who knows"]
    assert scorer.usage.calls == 3
    assert await scorers.scorer("classify", QUESTION).score(candidates("five")) == [0.25]
    assert len(fake.requests) == 4


@pytest.mark.parametrize("kind", KINDS)
async def test_a_conversation_that_came_through_arrow_is_sent_without_its_nones(
    kind: str, scorers: Scorers, fake: FakeScorer
) -> None:
    fake.like = lambda _: 5
    part = {"type": "text", "text": "2 + 2?", "image_url": None}
    image = {"type": "image_url", "text": None, "image_url": {"url": "data:,"}}
    conversation = [{"role": "user", "content": [part, image], "name": None, "tool_calls": None}]
    await scorers.scorer(kind, conversation).score(candidates("four"))
    body = fake.requests[0][1]
    assert "null" not in json.dumps(body)
    assert "2 + 2?" in json.dumps(body)


async def test_a_judge_marks_from_0_to_10(scorers: Scorers, fake: FakeScorer) -> None:
    fake.like = lambda prompt: 9 if "four" in prompt else 2
    assert await scorers.scorer("judge", QUESTION).score(candidates("four", "five")) == [0.9, 0.2]
    assert fake.requests[0][0] == "/v1/chat/completions"
    assert "2 + 2?" in fake.requests[0][1]["messages"][0]["content"]


async def test_steps_are_marked_for_a_process_reward_model(fake: FakeScorer) -> None:
    fake.like = len
    settings = ScorerSettings(
        kind="pooling", url=f"{fake.url}/v1", step_mark="<extra_0>", task="token_classify"
    )
    async with Scorers({"prm": settings}) as scorers:
        await scorers.scorer("prm", QUESTION).score([Scorable(("one. ", "two. "))])
    path, body, _ = fake.requests[0]
    assert path == "/pooling"
    assert body["messages"][-1]["content"] == "one. <extra_0>two. <extra_0>"
    assert body["task"] == "token_classify"


async def test_the_key_comes_from_the_environment(fake: FakeScorer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRM_KEY", "sesame")
    settings = ScorerSettings(kind="score", url=fake.url, api_key_env="PRM_KEY")
    async with Scorers({"rm": settings}) as scorers:
        await scorers.scorer("rm", QUESTION).score(candidates("four"))
    assert fake.requests[0][2] == "Bearer sesame"


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("score", b"not json"),
        ("score", b"[]"),
        ("score", b'{"data": []}'),
        ("score", b'{"data": [{"index": 0, "score": NaN}]}'),
        ("score", b'{"data": [{"index": 0, "score": null}]}'),
        ("score", b'{"data": [{"index": 0, "score": 1}, {"index": 1, "score": 1}]}'),
        ("classify", b'{"data": [{"probs": []}]}'),
        ("pooling", b'{"data": [{"data": []}]}'),
        ("judge", b'{"choices": [{"message": {"content": "Very good."}}]}'),
        ("judge", b'{"choices": [{"message": {"content": null}}]}'),
        ("judge", b'{"choices": [{"message": {"content": "Score: 95"}}]}'),
    ],
)
async def test_nonsense_is_an_error_and_no_score(
    kind: str, answer: bytes, scorers: Scorers, fake: FakeScorer
) -> None:
    fake.answer = (200, answer)
    with pytest.raises(ScorerError, match=f"the scorer '{kind}' returned no score"):
        await scorers.scorer(kind, QUESTION).score(candidates("four"))


async def test_a_refusal_is_an_error(scorers: Scorers, fake: FakeScorer) -> None:
    fake.answer = (500, b"{}")
    with pytest.raises(ScorerError, match="refuses /score with status 500"):
        await scorers.scorer("score", QUESTION).score(candidates("four"))


async def test_a_scorer_that_is_down_is_an_error_that_does_not_tell_its_address() -> None:
    settings = ScorerSettings(kind="score", url="http://127.0.0.1:9")
    async with Scorers({"rm": settings}) as scorers:
        with pytest.raises(
            ScorerError, match=r"the scorer 'rm' cannot be reached \(ConnectError\)"
        ) as caught:
            await scorers.scorer("rm", QUESTION).score(candidates("four"))
    assert "127.0.0.1" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong", [{"kind": "vibes"}, {"url": "file:///etc/passwd"}, {"urls": ["http://x"]}, {"timeout_s": 0}]
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ScorerSettings.model_validate({"kind": "score", "url": "http://x", **wrong})


@pytest.mark.parametrize(
    ("said", "mark"),
    [("Score: 7", 0.7), ("Score: 3\nNo: Score: **10**", 1.0), ("score: 2.5", 0.25), ("Score: 0", 0.0)],
)
def test_the_judges_last_mark_counts(said: str, mark: float) -> None:
    assert parse_score(said) == mark


def test_the_question_is_the_users_last_message_whatever_its_parts() -> None:
    parts = [{"type": "text", "text": "2 + 2"}, {"type": "image_url"}, {"type": "text", "text": "= ?"}]
    assert (
        text_of([{"role": "user", "content": "Hello"}, {"role": "user", "content": parts}]) == "2 + 2\n\n= ?"
    )
    assert text_of([]) == ""
