"""What an endpoint may do wrong, and what each costs: a try, a row, or the stage; never finished work."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from curation.ask.endpoint import MAX_FAILURES, EndpointUnusableError
from curation.ask.request import ModelAddress, Request, place_from
from curation.ask.settings import AskSettings
from curation.errors import CurationError
from curation.row import Dropped, Outcome, Row
from curation.traces.teacher import Teacher, TeacherSampling
from tests.curation.endpoint import HTML, Body, Said, chat, faked
from tests.curation.rows import a_row, kept, reasons

ROWS = [a_row(f"What is {at} + 1?", id=f"math/{at}") for at in range(12)]


def ask_settings(tmp_path: Path, concurrency: int = 4) -> AskSettings:
    return AskSettings(tmp_path / "replies.sqlite", concurrency, tries=3, first_pause_s=0.001)


def asked(url: str, tmp_path: Path, rows: list[Row] = ROWS, concurrency: int = 4) -> list[Outcome]:
    return list(Teacher(ModelAddress("m", url), ask_settings(tmp_path, concurrency))(rows))


def right(body: Body, _: int) -> Said:
    return chat(f"About {body['messages'][0]['content']}", "Hm.")


def test_the_teacher_is_asked_the_question_and_nothing_else(tmp_path: Path) -> None:
    with faked(right) as fake:
        asked(fake.url, tmp_path, ROWS[:1])
    assert fake.asked == [{"model": "m", "messages": [{"role": "user", "content": "What is 0 + 1?"}]}]


def test_a_thinking_budget_is_sent_as_an_object(tmp_path: Path) -> None:
    with faked(right) as fake:
        sampling = TeacherSampling(thinking_budget='{"num_waits": 2}')
        list(Teacher(ModelAddress("m", fake.url), ask_settings(tmp_path), sampling)(ROWS[:1]))
    assert fake.asked[0]["thinking_budget"] == {"num_waits": 2}


def test_traces_come_in_the_order_of_the_rows_with_thinking_and_answer_apart(tmp_path: Path) -> None:
    def slowest_first(body: Body, before: int) -> Said:
        time.sleep(0.05 if before == 0 else 0)
        return right(body, before)

    with faked(slowest_first) as fake:
        outcomes = asked(fake.url, tmp_path)
    assert kept(outcomes) == [row.problem.id for row in ROWS]
    for row in outcomes:
        assert isinstance(row, Row)
        assert row.trace is not None
        assert (row.trace.thinking, row.trace.answer) == ("Hm.", f"About {row.problem.question}")


def test_no_more_requests_are_in_flight_than_the_cap(tmp_path: Path) -> None:
    def slow(body: Body, before: int) -> Said:
        time.sleep(0.02)
        return right(body, before)

    with faked(slow) as fake:
        asked(fake.url, tmp_path, ROWS * 2, concurrency=3)
    assert fake.max_at_once == 3


FLEETING = [HTML, Said("{", 200), Said("", 0), Said("busy", 429), Said("oops", 503), Said('{"choices": []}')]


@pytest.mark.parametrize("said", FLEETING)
def test_a_fleeting_fault_costs_a_try_and_no_row(tmp_path: Path, said: Said) -> None:
    with faked(lambda body, before: said if before == 0 else right(body, before)) as fake:
        outcomes = asked(fake.url, tmp_path, ROWS[:1])
    assert kept(outcomes) == ["math/0"]
    assert len(fake.asked) == 2


LASTING = [
    (HTML, "endpoint_nonsense", "3 tries, the last: '<html><body>502 Bad Gateway"),
    (Said('{"choices": [{"message": {"content": 7}}]}'), "endpoint_nonsense", "3 tries"),
    (Said("", 0), "endpoint_failed", "3 tries, the last: RemoteProtocolError"),
    (Said("busy", 429), "endpoint_failed", "3 tries, the last: status 429"),
    (Said('{"error": {"message": "prompt too long"}}', 400), "endpoint_refused", "prompt too long"),
]


@pytest.mark.parametrize(("said", "reason", "detail"), LASTING)
def test_a_lasting_fault_drops_its_row_with_the_reason_and_the_others_go_on(
    tmp_path: Path, said: Said, reason: str, detail: str
) -> None:
    def broken(body: Body, before: int) -> Said:
        return said if "What is 5 " in body["messages"][0]["content"] else right(body, before)

    with faked(broken) as fake:
        outcomes = asked(fake.url, tmp_path)
    assert reasons(outcomes) == {"math/5": reason}
    assert len(kept(outcomes)) == len(ROWS) - 1
    [dropped] = [one for one in outcomes if isinstance(one, Dropped)]
    assert detail in dropped.detail


def test_the_pause_that_a_busy_endpoint_asks_for_is_kept(tmp_path: Path) -> None:
    busy = Said("busy", 429, {"retry-after": "1"})
    start = time.monotonic()
    with faked(lambda body, before: busy if before == 0 else right(body, before)) as fake:
        asked(fake.url, tmp_path, ROWS[:1])
    assert time.monotonic() - start >= 1.0


def test_a_wrong_key_ends_the_stage_at_once(tmp_path: Path) -> None:
    with (
        faked(lambda *_: Said("no such key", 401)) as fake,
        pytest.raises(EndpointUnusableError, match="answers 401"),
    ):
        asked(fake.url, tmp_path, concurrency=1)
    assert len(fake.asked) < 5


def test_an_endpoint_that_is_gone_ends_the_stage_instead_of_dropping_the_pool(tmp_path: Path) -> None:
    rows = [a_row(f"{at}?", id=str(at)) for at in range(MAX_FAILURES * 5)]
    with pytest.raises(EndpointUnusableError, match=r"2\d requests failed in succession"):
        asked("http://127.0.0.1:9/v1", tmp_path, rows)


REFUSED = Said('{"error": {"message": "prompt too long"}}', 400)
MANY_ROWS = [a_row(f"{at}?", id=str(at)) for at in range(MAX_FAILURES * 3)]


def refuses_all_but(answered: set[int]) -> Callable[[Body, int], Said]:
    prompts = {MANY_ROWS[at].problem.question for at in answered}
    return lambda body, n: right(body, n) if body["messages"][0]["content"] in prompts else REFUSED


def test_refused_requests_drop_their_rows_alone_however_many_they_are(tmp_path: Path) -> None:
    with faked(refuses_all_but({0, 59})) as fake:
        outcomes = asked(fake.url, tmp_path, MANY_ROWS, concurrency=1)
    assert kept(outcomes) == ["0", "59"]
    assert set(reasons(outcomes).values()) == {"endpoint_refused"}


def test_a_run_with_refused_rows_in_its_finished_part_is_resumed(tmp_path: Path) -> None:
    every_second = set(range(0, 60, 2))
    with faked(refuses_all_but(every_second)) as fake:
        first = asked(fake.url, tmp_path, MANY_ROWS, concurrency=1)
        assert asked(fake.url, tmp_path, MANY_ROWS, concurrency=1) == first
    assert len(kept(first)) == 30


def test_an_endpoint_that_refuses_every_request_ends_the_stage(tmp_path: Path) -> None:
    with (
        faked(lambda *_: REFUSED) as fake,
        pytest.raises(EndpointUnusableError, match=r"refused all of 20 requests, the last: status 400"),
    ):
        asked(fake.url, tmp_path, MANY_ROWS, concurrency=1)


def test_a_cached_reply_ends_a_succession_of_failures(tmp_path: Path) -> None:
    fails = {at for at in range(60) if at % 10}
    with faked(refuses_all_but(set(range(60)) - fails)) as fake:
        asked(fake.url, tmp_path, MANY_ROWS, concurrency=1)
    with faked(lambda *_: Said("not made", 501)) as fake:
        outcomes = asked(fake.url, tmp_path, MANY_ROWS, concurrency=1)
    assert [int(name) for name in reasons(outcomes)] == sorted(fails)


def test_what_was_answered_is_never_asked_again_even_after_the_endpoint_failed(tmp_path: Path) -> None:
    def dies(body: Body, before: int) -> Said:
        return right(body, before) if before < 5 else Said("", 401)

    with faked(dies) as fake:
        with pytest.raises(EndpointUnusableError):
            asked(fake.url, tmp_path, concurrency=1)
        answered = fake.prompts()[:5]
    with faked(right) as fake:
        outcomes = asked(fake.url, tmp_path)
    assert not set(fake.prompts()) & set(answered)
    assert len(kept(outcomes)) == len(ROWS)
    with faked(lambda *_: HTML) as fake:
        assert asked(fake.url, tmp_path) == outcomes
    assert fake.asked == []


def test_a_row_that_has_a_trace_is_not_asked_about(tmp_path: Path) -> None:
    row = a_row(thinking="Mine.")
    with faked(right) as fake:
        assert asked(fake.url, tmp_path, [row]) == [row]
    assert fake.asked == []


def test_the_key_of_a_request_is_its_content() -> None:
    one = Request("m", "What?", temperature=0.0)
    assert one.key == Request("m", "What?", temperature=0.0).key
    others = [
        Request("n", "What?", temperature=0.0),
        Request("m", "Who?", temperature=0.0),
        Request("m", "What?", temperature=1.0),
        Request("m", "What?", temperature=0.0, sample=1),
        Request("m", "What?", temperature=0.0, thinking_budget="5"),
    ]
    assert len({one.key, *(other.key for other in others)}) == 6


def test_a_place_is_a_model_at_a_url() -> None:
    assert place_from("s1-nano:think=16@http://h:8000/v1/") == ModelAddress(
        "s1-nano:think=16", "http://h:8000/v1"
    )
    for wrong in ("s1-nano", "@http://h", "s1-nano@h:8000"):
        with pytest.raises(CurationError, match="write MODEL@URL"):
            place_from(wrong)


def test_a_file_that_is_no_cache_is_named(tmp_path: Path) -> None:
    (tmp_path / "replies.sqlite").write_text(
        "this is not a database, and long enough to be seen as such" * 20
    )
    with pytest.raises(CurationError, match=r"replies\.sqlite: cannot be used as a cache"):
        asked("http://127.0.0.1:9/v1", tmp_path)
