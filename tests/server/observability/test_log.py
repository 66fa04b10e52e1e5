"""A line in the log: what stands in it, in both formats, and what never does."""

import io
import json
from datetime import datetime
from typing import Any

import pytest

from server.observability.log import RequestLog
from tests.server.observability.choices import ended


def lines(form: str, **changes: Any) -> list[str]:
    out = io.StringIO()
    RequestLog(form, out).end(ended(**changes))
    return out.getvalue().splitlines()


def test_json_line_says_what_became_of_the_request() -> None:
    (line,) = lines("json")
    said = json.loads(line)
    assert datetime.fromisoformat(said.pop("asctime")).tzinfo is not None
    assert said == {
        "levelname": "INFO",
        "name": "s1-serve",
        "message": "ended",
        "id": "chatcmpl-1",
        "choice": 0,
        "model": "s1-nano",
        "family": "think",
        "key": "alice",
        "end": "natural",
        "prompt_tokens": 21,
        "thinking_tokens": 30,
        "answer_tokens": 9,
        "max_tokens": 40,
        "min_tokens": 0,
        "num_waits": 2,
        "clamped": False,
        "waits_used": 2,
        "forced_tokens": 7,
        "shows_answer": True,
        "first_token_s": 0.1,
        "first_answer_token_s": 0.9,
        "thinking_s": 0.75,
        "total_s": 1.5,
    }


def test_text_line_says_the_same_in_pairs() -> None:
    (line,) = lines("text")
    assert line.startswith(
        "INFO:     ended id=chatcmpl-1 choice=0 model=s1-nano family=think key=alice end=natural "
    )
    pairs = dict(pair.split("=") for pair in line.split()[2:])
    said = json.loads(lines("json")[0])
    assert {key: str(value).lower() for key, value in said.items() if key in pairs} == {
        key: value.lower() for key, value in pairs.items()
    }
    assert len(pairs) == len(said) - 4


def test_off_says_nothing() -> None:
    assert lines("off") == []


@pytest.mark.parametrize("form", ["text", "json"])
def test_prompt_stands_in_a_line_only_where_it_was_kept(form: str) -> None:
    assert "prompt=" not in lines(form)[0]
    assert '"prompt"' not in lines(form)[0]
    (line,) = lines(form, prompt="Find 17.\nINFO: a second line")
    assert r"Find 17.\nINFO: a second line" in line


@pytest.mark.parametrize("form", ["text", "json"])
def test_client_cannot_write_lines_of_its_own(form: str) -> None:
    """A request id can be the client's (X-Request-Id), and so can a field's name."""
    forged = "x\nINFO:     ended id=forged end=natural\x1b[2J"
    assert len(lines(form, id=forged)) == 1
    assert "\x1b" not in lines(form, id=forged)[0]
    out = io.StringIO()
    RequestLog(form, out).refuse("/v1/chat/completions", forged)
    assert len(out.getvalue().splitlines()) == 1


def test_value_with_a_space_or_an_equals_sign_is_quoted() -> None:
    (line,) = lines("text", id="a b=c")
    assert 'id="a b=c" ' in line


def test_refused_budget_is_a_line_with_its_field() -> None:
    out = io.StringIO()
    RequestLog("json", out).refuse("/v1/messages", "thinking.budget_tokens")
    said = json.loads(out.getvalue())
    assert (said["message"], said["path"], said["field"]) == (
        "refused",
        "/v1/messages",
        "thinking.budget_tokens",
    )


def test_log_that_cannot_be_written_fails_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    log = RequestLog("text", out)
    out.close()
    log.end(ended())
    assert "closed file" in capsys.readouterr().err
