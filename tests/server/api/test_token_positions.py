"""With token ids in the response, the report says which of them were forced, and where the answer begins."""

from typing import Any

import httpx
import pytest

from tests.server.api.every_endpoint import CHAT, COMPLETIONS, QUESTION, asked, events

END = 4
"""s1-nano's end-of-thinking token."""
PROMPT = f"<|im_start|>user\n{QUESTION}<|im_end|>\n<|im_start|>assistant\n<think>\n"
LONG = ("Wait, try 5", "Alternatively")
CASES: list[dict[str, Any]] = [
    {"thinking_budget": {"num_waits": 2, "max_tokens": 90, "nudge": LONG}},
    {"thinking_budget": {"num_waits": 2, "max_tokens": 20}, "n": 2, "temperature": 1.0, "seed": 5},
]


def ids(client: httpx.Client, text: str) -> list[int]:
    body = {"model": "s1-nano", "prompt": text, "add_special_tokens": False}
    tokens: list[int] = client.post("/tokenize", json=body).json()["tokens"]
    return tokens


def choices(client: httpx.Client, path: str, stream: bool, **more: Any) -> list[tuple[list[int], Any]]:
    """The token ids and the report of each choice."""
    prompt = {"prompt": PROMPT} if path == COMPLETIONS else {}
    body = asked(path, return_token_ids=True, stream=stream, max_tokens=200, **prompt, **more)
    response = client.post(path, json=body)
    assert response.status_code == 200, response.text
    if not stream:
        return [(each["token_ids"], each["thinking"]) for each in response.json()["choices"]]
    came: dict[int, tuple[list[int], Any]] = {}
    for chunk in (each for event in events(response) for each in event["choices"]):
        tokens, report = came.get(chunk["index"], ([], None))
        came[chunk["index"]] = ([*tokens, *(chunk.get("token_ids") or ())], chunk.get("thinking") or report)
    return [came[index] for index in sorted(came)]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
def test_forced_tokens_stand_where_the_report_says(client: httpx.Client, path: str, stream: bool) -> None:
    cue = ids(client, "\n\nFinal Answer:")
    for case in CASES:
        nudges = [ids(client, text) for text in case["thinking_budget"].get("nudge", ("Wait", "Wait"))]
        for tokens, report in choices(client, path, stream, **case):
            spans = [(each["kind"], each["start"], each["end"]) for each in report["forced_token_spans"]]
            said = [(kind, tokens[start:end]) for kind, start, end in spans]
            assert [each for kind, each in said if kind == "nudge"] == nudges[: report["waits_used"]]
            assert sum(len(each) for _, each in said) == report["forced_tokens"]
            assert tokens[report["answer_token_at"] - 1] == END
            closing = [("end", [END]), ("cue", cue)] if report["end"] == "max_tokens" else []
            assert [each for each in said if each[0] != "nudge"] == closing


def test_thinking_that_never_ended_has_no_answer(client: httpx.Client) -> None:
    budget = {"min_tokens": 300, "answer_reserve_tokens": 0, "end_message": ""}
    body = asked(CHAT, return_token_ids=True, max_tokens=40, thinking_budget=budget)
    (choice,) = client.post(CHAT, json=body).json()["choices"]
    assert choice["thinking"]["answer_token_at"] is None
    assert all(each["end"] <= 40 for each in choice["thinking"]["forced_token_spans"])


def test_without_token_ids_there_are_no_positions(client: httpx.Client) -> None:
    (choice,) = client.post(CHAT, json=asked(CHAT, thinking_budget=9)).json()["choices"]
    assert choice["thinking"].keys() & {"forced_token_spans", "answer_token_at"} == set()
