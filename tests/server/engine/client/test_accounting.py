"""Every choice of a request is told of exactly once, however the request ended."""

import asyncio
import io
import json
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from server.budget.plan import UNGOVERNED
from server.budget.running.controller import ForcedKind
from server.budget.running.report import ForcedRecord, ThinkingReport
from server.engine.client.accounting import Account, GenerationInfo
from server.observability.log import RequestLog
from server.observability.metrics import Metrics
from server.observability.record import ABORTED, ChoiceRecord
from server.observability.telemetry import Telemetry
from server.reasoning.ends import End
from tests.server.budget.plans import END, NUDGE, STOP, plan

FORCED = ForcedRecord({1: ForcedKind.NUDGE, 3: ForcedKind.NUDGE}, waits_at=(1, 3))


class Case:
    """A request of two choices."""

    def __init__(self, **changes: Any) -> None:
        self.registry, self.log = CollectorRegistry(), io.StringIO()
        telemetry = Telemetry(Metrics(self.registry), RequestLog("json", self.log))
        info: dict[str, Any] = {
            "id": "r",
            "model": "m",
            "family": "f",
            "n": 2,
            "plan": plan(),
            "is_planned": True,
        }
        info |= {"is_clamped": False, "prompt_tokens": 5, "prompt": None, **changes}
        self.account = Account(GenerationInfo(**info), telemetry, lambda _: False, (STOP,))
        self.asked: list[int] = []

    def admit(self, index: int, *tokens: int) -> None:
        progress = self.account.admit(index)
        for token in tokens:
            free = progress.tracker.is_free
            progress.tracker.feed(token)
            progress.came(token, free)
        self.tracker = progress.tracker

    def finish(self, index: int, reason: str = "stop", record: ForcedRecord | None = None) -> None:
        record = record or ForcedRecord()
        self.tracker.finish(End.STOP)
        self.account.finish(index, reason, ThinkingReport.of(self.tracker, record), record)

    async def record_of(self, index: int) -> ForcedRecord:
        self.asked.append(index)
        await asyncio.sleep(0)
        return FORCED

    async def close(self, fate: str | None = ABORTED) -> None:
        self.account.fate = fate
        if (errand := self.account.close(self.record_of)) is not None:
            await errand

    @property
    def ends(self) -> list[tuple[int, str]]:
        """(choice, end), from the log, in the order in which they were told."""
        return [(line["choice"], line["end"]) for line in self.lines]

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.getvalue().splitlines()]

    def count(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, {"model": "m", "family": "f", **labels})


async def test_choices_that_finished_are_told_at_once() -> None:
    case = Case()
    for index in range(2):
        case.admit(index, 1, END, 4, STOP)
        case.finish(index)
    case.account.fate = End.ERROR
    assert case.account.close(case.record_of) is None
    assert case.ends == [(0, "natural"), (1, "natural")]
    assert (case.count("s1_thinking_tokens_total"), case.count("s1_answer_tokens_total")) == (2, 6)
    assert case.asked == []


async def test_choice_cut_off_counts_what_was_forced_up_to_its_last_token() -> None:
    """The engine was a step ahead: its second nudge never came out."""
    case = Case()
    case.admit(0, 1, END, 4)
    case.finish(0)
    case.admit(1, 1, *NUDGE, 2)
    await case.close()
    assert case.ends == [(0, "natural"), (1, "aborted")]
    assert case.asked == [1]
    assert (case.count("s1_waits_total"), case.count("s1_forced_tokens_total", kind="nudge")) == (1, 1)
    assert (case.count("s1_thinking_tokens_total"), case.count("s1_answer_tokens_total")) == (4, 2)


async def test_choice_that_was_not_admitted_yet_is_cut_off_too() -> None:
    case = Case()
    case.admit(0, 1)
    await case.close()
    assert case.ends == [(0, "aborted"), (1, "aborted")]
    assert case.asked == [0]


async def test_clients_mistake_is_no_ended_request() -> None:
    case = Case()
    await case.close(fate=None)
    assert case.ends == []


async def test_vllms_error_is_an_error_though_thinking_had_ended() -> None:
    case = Case(n=1)
    case.admit(0, 1, END, 4)
    case.finish(0, reason="error")
    await case.close()
    assert case.ends == [(0, "error")]


async def test_engine_that_is_gone_takes_only_its_ledgers_with_it() -> None:
    case = Case(n=1)
    case.admit(0, 1, *NUDGE, 2)

    async def gone(_: int) -> ForcedRecord:
        raise ConnectionError("gone")

    case.account.fate = End.ERROR
    errand = case.account.close(gone)
    assert errand is not None
    await errand
    assert case.ends == [(0, "error")]
    assert (case.count("s1_thinking_tokens_total"), case.count("s1_waits_total")) == (3, 0)


async def test_server_that_stops_meanwhile_still_tells() -> None:
    case = Case(n=1)
    case.admit(0, 1)
    errand = case.account.close(lambda _: asyncio.sleep(60, ForcedRecord()))
    assert errand is not None
    task = asyncio.create_task(errand)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert case.ends == [(0, "aborted")]


async def test_request_that_no_budget_holds_on_counts_as_one_of_no_known_thinking() -> None:
    case = Case(n=1, plan=UNGOVERNED, is_planned=False)
    case.admit(0, 1, 2, STOP)
    case.finish(0)
    await case.close()
    (line,) = case.lines
    assert (line["end"], line["thinking_tokens"], line["answer_tokens"]) == ("none", 0, 3)
    assert line["shows_answer"]


async def test_who_waits_for_a_record_gets_the_one_that_was_told() -> None:
    case = Case(n=1)
    waited: list[ChoiceRecord] = []
    progress = case.account.admit(0)
    progress.also_tell = waited.append
    await case.close()
    assert [record.end for record in waited] == ["aborted"]
