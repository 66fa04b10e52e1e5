"""A known mix of 500 requests against the real server: metrics, log and spans say what the responses said."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from prometheus_client.parser import text_string_to_metric_families

from evals.bench.mix import CEILING, CHAT, Json, Mix, Outcome
from server.observability.metrics import METRICS, STORE_CALLS, STORE_UP
from server.observability.record import ABORTED, ENDS, KINDS
from tests.conftest import ServerProcess
from tests.server.observability.collector import Collector

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]

REPORTED = ("max_tokens", "min_tokens", "num_waits", "waits_used", "forced_tokens", "end")
SECRET = "xyzzy, the prompt's own text"


Sample = tuple[str, tuple[str, ...]]


class Watched:
    """A server whose log, metrics and spans are read."""

    def __init__(self, process: ServerProcess, collector: Collector) -> None:
        self.process = process
        self.collector = collector
        self.client = httpx.AsyncClient(base_url=process.url, timeout=240, limits=httpx.Limits())

    async def samples(self, prefix: str = "s1_") -> dict[Sample, float]:
        """(name, label values in the order of the label names) to value; without `_created`."""
        text = (await self.client.get("/metrics")).text
        return {
            (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name.startswith(prefix) and not sample.name.endswith("_created")
        }

    async def total(self, name: str) -> float:
        """Over all labels."""
        return sum(value for (each, _), value in (await self.samples(name)).items() if each == name)

    def lines(self, message: str = "ended") -> list[Json]:
        """Of the log."""
        lines = [line for line in self.process.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in map(json.loads, lines) if line["message"] == message]


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector().running() as collector:
        yield collector


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> AsyncIterator[Watched]:
    flags = ["--log-format", "json", "--max-thinking-budget", str(CEILING)]
    flags += ["--otlp-traces-endpoint", collector.endpoint]
    log = tmp_path_factory.mktemp("watched") / "server.log"
    process = ServerProcess(log, flags, {"OTEL_BSP_SCHEDULE_DELAY": "200"})
    watched = Watched(process, collector)
    try:
        process.wait_until_ready()
        yield watched
    finally:
        await watched.client.aclose()
        process.stop()


@dataclass(frozen=True, slots=True)
class Mixed:
    """The mix, sent: what the clients got, and what the server counted and wrote meanwhile."""

    outcomes: list[Outcome]
    lines: list[Json]
    counted: dict[Sample, float]

    @property
    def reports(self) -> list[Json]:
        """The responses' own, one for each choice."""
        return [report for outcome in self.outcomes for report in outcome.reports]

    @property
    def cut(self) -> list[Json]:
        """The lines of choices that got no response."""
        return [line for line in self.lines if line["end"] == ABORTED]

    def count(self, name: str, value: str | None = None) -> float:
        """Over all labels, or where one of them has this value."""
        return sum(
            amount
            for (each, values), amount in self.counted.items()
            if each == name and (value is None or value in values)
        )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mixed(watched: Watched) -> Mixed:
    before, begun = await watched.samples(), len(watched.lines())
    outcomes = await Mix(watched.client).run()
    ended = sum(outcome.choices for outcome in outcomes)
    await until(lambda: len(watched.lines()) >= begun + ended)
    after = await watched.samples()
    counted = {sample: value - before.get(sample, 0) for sample, value in after.items()}
    return Mixed(outcomes, watched.lines()[begun:], counted)


async def until(condition: Callable[[], Any], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)


async def test_nothing_is_counted_before_the_first_request(watched: Watched) -> None:
    samples = await watched.samples()
    assert {name for name, _ in samples} >= {metric.name for metric in METRICS if metric.type != "histogram"}
    assert {name for (name, _), value in samples.items() if value} == {STORE_UP.name}  # in memory


async def test_what_was_forced_before_a_client_left_is_counted_to_the_token(watched: Watched) -> None:
    """Greedy twice: the first time to the end, the second time left in the middle."""
    body = {
        "model": "s1-nano",
        "messages": [{"role": "user", "content": f"Find the smallest prime factor of 391. {SECRET}"}],
        "temperature": 0,
        "thinking_budget": {"min_tokens": CEILING, "nudge": "Hmm, "},
    }
    whole = (await watched.client.post(CHAT, json=body | {"return_token_ids": True})).json()
    tokens = whole["choices"][0]["token_ids"]
    words = {"model": "s1-nano", "prompt": "Hmm, ", "add_special_tokens": False}
    nudge = (await watched.client.post("/tokenize", json=words)).json()["tokens"]
    starts = [at for at in range(len(tokens)) if tokens[at : at + len(nudge)] == nudge]
    assert len(starts) == whole["choices"][0]["thinking"]["waits_used"]  # the model never says it by itself
    before = len(watched.lines())
    async with watched.client.stream("POST", CHAT, json=body | {"stream": True}) as response:
        said = ""
        async for chunk in response.aiter_text():
            said += chunk
            if said.count("data: ") > starts[1] + 5:
                break
    await until(lambda: len(watched.lines()) > before)
    line = watched.lines()[-1]
    came = line["thinking_tokens"] + line["answer_tokens"]
    assert starts[1] < came < len(tokens)
    assert line["end"] == ABORTED
    assert line["waits_used"] == sum(at < came for at in starts)
    assert line["forced_tokens"] == sum(len(nudge[: max(0, came - at)]) for at in starts)


async def test_the_mix_is_what_it_says(mixed: Mixed) -> None:
    assert len(mixed.outcomes) == 500
    for outcome in mixed.outcomes:
        if outcome.kind == "leave":
            assert outcome.status is None
        elif outcome.kind == "mistake":
            assert outcome.status in (400, 404), outcome
        else:
            assert (outcome.status, len(outcome.reports)) == (200, outcome.choices), outcome
    assert {"natural", "max_tokens", "context"} <= {report["end"] for report in mixed.reports}
    assert len(mixed.cut) == sum(outcome.choices for outcome in mixed.outcomes if outcome.kind == "leave")


async def test_choices_are_counted_by_the_ends_that_their_responses_say(mixed: Mixed) -> None:
    expected = Counter([*(report["end"] for report in mixed.reports), *(line["end"] for line in mixed.cut)])
    assert {end: mixed.count("s1_requests_total", end) for end in ENDS if end in expected} == expected
    assert mixed.count("s1_requests_total") == expected.total()


@pytest.mark.parametrize(
    ("metric", "in_report"),
    [
        ("s1_thinking_tokens_total", "tokens"),
        ("s1_request_thinking_tokens_sum", "tokens"),
        ("s1_waits_total", "waits_used"),
        ("s1_request_waits_sum", "waits_used"),
        ("s1_forced_tokens_total", "forced_tokens"),
    ],
)
async def test_sum_equals_the_responses_reports(mixed: Mixed, metric: str, in_report: str) -> None:
    in_line = "thinking_tokens" if in_report == "tokens" else in_report
    expected = sum(report[in_report] for report in mixed.reports) + sum(line[in_line] for line in mixed.cut)
    assert expected > 0
    assert mixed.count(metric) == expected


async def test_answer_tokens_are_what_usage_says_beyond_the_thinking(mixed: Mixed) -> None:
    output_tokens = sum(outcome.output_tokens for outcome in mixed.outcomes)
    answered = output_tokens - sum(report["tokens"] for report in mixed.reports)
    left = sum(line["answer_tokens"] for line in mixed.cut)
    assert left > 0  # some left inside an answer
    assert mixed.count("s1_answer_tokens_total") == answered + left


async def test_histograms_observe_each_choice_once(mixed: Mixed) -> None:
    choices = len(mixed.reports) + len(mixed.cut)
    for name in ("s1_request_thinking_tokens", "s1_request_thinking_seconds", "s1_request_waits"):
        assert mixed.count(f"{name}_count") == choices, name
    budgets = [report["max_tokens"] for report in (*mixed.reports, *mixed.cut)]
    assert mixed.count("s1_request_budget_used_ratio_count") == sum(maximum > 0 for maximum in budgets)
    answering = [line for line in mixed.lines if "first_answer_token_s" in line]
    assert mixed.count("s1_time_to_first_answer_token_seconds_count") == sum(
        line["first_answer_token_s"] is not None for line in answering
    )


async def test_clamped_and_refused_budgets_are_those_that_were_sent(watched: Watched, mixed: Mixed) -> None:
    clamped = sum(outcome.choices for outcome in mixed.outcomes if outcome.is_clamped)
    refused = sum(outcome.is_refused for outcome in mixed.outcomes)
    assert clamped > 0
    assert refused > 0
    assert mixed.count("s1_budgets_clamped_total") == clamped
    assert mixed.count("s1_budgets_refused_total") == refused
    assert len(watched.lines("refused")) == refused


async def test_each_line_of_the_log_says_what_its_response_said(mixed: Mixed) -> None:
    said = Counter((report["tokens"], *(report[each] for each in REPORTED)) for report in mixed.reports)
    written = Counter(
        (line["thinking_tokens"], *(line[each] for each in REPORTED))
        for line in mixed.lines
        if line["end"] != ABORTED
    )
    assert written == said
    by_id = Counter(line["id"] for line in mixed.lines)
    chats = [outcome for outcome in mixed.outcomes if outcome.kind.startswith("chat")]
    assert len(chats) == 220
    assert all(by_id[outcome.id] == outcome.choices for outcome in chats)


async def test_empty_answers_are_those_that_show_nothing(mixed: Mixed) -> None:
    empty = sum(line["end"] != ABORTED and not line["shows_answer"] for line in mixed.lines)
    assert mixed.count("s1_empty_answers_total") == empty


async def test_thinking_and_answer_are_all_that_vllm_generated(watched: Watched, mixed: Mixed) -> None:
    """Clients that left among them: vLLM counts a token when it comes out, as we do."""
    del mixed
    ours = await watched.total("s1_thinking_tokens_total") + await watched.total("s1_answer_tokens_total")
    assert ours == await watched.total("vllm:generation_tokens_total")


async def test_vllms_own_count_of_http_responses_goes_on(watched: Watched, mixed: Mixed) -> None:
    """Its middleware counts nothing, and says nothing, when the stack is built twice."""
    mistakes = sum(outcome.kind == "mistake" for outcome in mixed.outcomes)
    samples = await watched.samples("http_requests_total")
    assert sum(value for (_, labels), value in samples.items() if "4xx" in labels) >= mistakes
    assert sum(value for (_, labels), value in samples.items() if "2xx" in labels) >= 500 - mistakes


async def test_latencies_stand_in_their_order(mixed: Mixed) -> None:
    for line in mixed.lines:
        times = [line["first_token_s"], line["first_answer_token_s"], line["total_s"]]
        known = [seconds for seconds in times if seconds is not None]
        assert known == sorted(known), line
        assert 0 <= line["thinking_s"] <= line["total_s"]
        assert (line["thinking_s"] > 0) == (line["thinking_tokens"] > 0), line


async def test_clients_make_no_series(watched: Watched, mixed: Mixed) -> None:
    del mixed
    samples = await watched.samples()
    buckets = {values[-2] for (name, values) in samples if name.endswith("_bucket")}
    known = {"s1-nano", "think", *ENDS, *KINDS, *STORE_CALLS.values, *buckets}
    assert {value for _, values in samples for value in values} <= known
    assert len(samples) == len(await watched.samples())


async def test_span_of_each_choice_says_what_its_line_says(watched: Watched, mixed: Mixed) -> None:
    del mixed
    finished = [line for line in watched.lines() if line["end"] != ABORTED]
    await until(lambda: len(watched.collector.of_requests()) >= len(finished))
    spans = watched.collector.of_requests()
    names = (
        "gen_ai.request.id",
        "s1.thinking.end",
        gen_ai_attributes.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS,
        gen_ai_attributes.GEN_AI_USAGE_OUTPUT_TOKENS,
        "s1.thinking.waits_used",
        "s1.thinking.forced_tokens",
        "s1.thinking.max_tokens",
        gen_ai_attributes.GEN_AI_RESPONSE_MODEL,
    )
    in_lines = ("waits_used", "forced_tokens", "max_tokens", "model")
    assert Counter(tuple(span[name] for name in names) for span in spans) == Counter(
        (
            line["id"],
            line["end"],
            line["thinking_tokens"],
            line["thinking_tokens"] + line["answer_tokens"],
            *(line[each] for each in in_lines),
        )
        for line in finished
    )
    # vLLM's own are on them still, and agree.
    assert all(span["gen_ai.usage.completion_tokens"] == span[names[3]] for span in spans)


async def test_gauges_hold_those_that_think_and_return_to_zero(watched: Watched) -> None:
    body: Json = {"model": "s1-nano", "n": 2, "thinking_budget": {"min_tokens": CEILING}}
    body |= {"messages": [{"role": "user", "content": "17"}], "ignore_eos": True}
    before = len(watched.lines())
    running = [asyncio.create_task(watched.client.post(CHAT, json=body)) for _ in range(8)]
    mistake = await watched.client.post(CHAT, json=body | {"thinking_budget": -7})
    assert mistake.status_code == 400
    seen: dict[str, float] = {}
    while seen.get("s1_requests_thinking") != 16:
        assert not any(task.done() for task in running)
        seen = {name: value for (name, _), value in (await watched.samples()).items()}
    assert seen["s1_in_flight_budget_tokens"] == 16 * CEILING
    assert 0 < seen["s1_in_flight_thinking_tokens"] <= 16 * CEILING
    for task in running:
        task.cancel()
    await until(lambda: len(watched.lines()) == before + 16)
    for name in ("s1_requests_thinking", "s1_in_flight_thinking_tokens", "s1_in_flight_budget_tokens"):
        assert await watched.total(name) == 0
    assert {line["end"] for line in watched.lines()[before:]} == {ABORTED}


async def test_beam_search_is_left_alone_but_under_a_ceiling(watched: Watched, server: ServerProcess) -> None:
    """It asks the engine for one token at a time: no line of thinking, and no choice that ended."""
    body: Json = {"model": "s1-nano", "use_beam_search": True, "n": 2, "max_tokens": 5}
    body["messages"] = [{"role": "user", "content": "17"}]
    before = server.log.read_text().count("ended id=")
    choices = httpx.post(server.url + CHAT, json=body, timeout=60).json()["choices"]
    assert [("thinking" in choice) for choice in choices] == [False, False]
    assert server.log.read_text().count("ended id=") == before
    refused = await watched.client.post(CHAT, json=body)
    assert refused.json()["error"]["param"] == "use_beam_search"


async def test_log_has_lines_of_json_and_no_prompt(watched: Watched, mixed: Mixed) -> None:
    del mixed
    text = watched.process.log.read_text()
    assert SECRET not in text
    said = [line for line in text.splitlines() if not line.startswith("{")]
    # What stands outside: our own first words, and what is said before vLLM is told how to log.
    assert not [line for line in said if "INFO" in line or "HTTP" in line]
    for line in text.splitlines():
        if line.startswith("{"):
            assert {"asctime", "levelname", "name", "message"} <= json.loads(line).keys()
