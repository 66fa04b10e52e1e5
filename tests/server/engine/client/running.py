"""Choices and generations for the tests: the real ones, over workers whose answers a test writes down."""

import asyncio
import io
import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from prometheus_client import CollectorRegistry
from vllm.outputs import CompletionOutput, RequestOutput
from vllm.sampling_params import SamplingParams
from vllm.v1.engine.detokenizer import IncrementalDetokenizer

from server.budget.plan import Plan
from server.engine.client.accounting import Account, GenerationInfo
from server.engine.client.call import Call
from server.engine.client.choice import Choice
from server.engine.client.generation import Generation
from server.engine.client.worker_calls import ForcedRecordFetcher, ForcedRecords
from server.engine.worker.extension import WireRecord
from server.observability.log import RequestLog
from server.observability.metrics import Metrics
from server.observability.telemetry import Telemetry
from tests.server.budget.plans import STOP, plan

NOTHING: WireRecord = ({}, [], None)


class Workers:
    """What the one worker says of each row, once when it has ended, and what it was asked.

    An exception is raised instead.
    """

    def __init__(self) -> None:
        self.says: dict[str, WireRecord | Exception] = {}
        self.asked: list[str] = []
        """Rows whose record was asked for when they had ended."""
        self.peeked: list[str] = []
        """Rows whose record was asked for while they ran."""
        self.records = ForcedRecords(
            ForcedRecordFetcher(lambda rows: self._answer(self.asked, rows)),
            ForcedRecordFetcher(lambda rows: self._answer(self.peeked, rows)),
        )

    async def _answer(self, asked: list[str], rows: Sequence[str]) -> list[dict[str, WireRecord]]:
        asked += rows
        await asyncio.sleep(0)
        answers: dict[str, WireRecord] = {}
        for row in rows:
            said = self.says.pop(row, NOTHING) if asked is self.asked else self.says.get(row, NOTHING)
            if isinstance(said, Exception):
                raise said
            answers[row] = said
        return [answers]


class Case:
    """A generation of n choices, whose rows are "row-0", "row-1", ..., and what telemetry is told of it."""

    def __init__(
        self,
        *,
        n: int = 2,
        given: Plan | None = None,
        is_planned: bool = True,
        call: Call | None = None,
        **more: Any,
    ) -> None:
        self.registry, self.log, self.workers = CollectorRegistry(), io.StringIO(), Workers()
        telemetry = Telemetry(Metrics(self.registry), RequestLog("json", self.log))
        info = GenerationInfo(
            id="r",
            model="m",
            family="f",
            n=n,
            plan=plan() if given is None else given,
            is_planned=is_planned,
            is_clamped=False,
            prompt_tokens=5,
            prompt=None,
        )
        self.call = Call() if call is None else call
        self.generation = Generation(
            Account(info, telemetry), self.call, self.workers.records, lambda _: False, (STOP,), **more
        )
        self.sent: dict[int, SamplingParams] = {}
        """What each choice went to the engine with."""

    def admit(self, index: int, *tokens: int) -> Choice:
        """The choice goes to the engine, and these tokens come out."""
        state: Any = SimpleNamespace(request_index=index, detokenizer=IncrementalDetokenizer())
        request: Any = SimpleNamespace(
            request_id=f"row-{index}", sampling_params=SamplingParams(extra_args={})
        )
        choice = self.generation.admit(request, state)
        self.sent[index] = request.sampling_params
        for token in tokens:
            choice.take(token)
        return choice

    async def report(self, index: int, tokens: Sequence[int] = (), reason: str | None = None) -> None:
        """An output of one choice, whose tokens were taken before, comes out of vLLM."""
        completion = CompletionOutput(
            index=index,
            text="",
            token_ids=list(tokens),
            cumulative_logprob=None,
            logprobs=None,
            finish_reason=reason,
        )
        output = RequestOutput("r", None, None, None, [completion], reason is not None)
        await self.generation.report(output)

    async def close(self, fate: str | None) -> None:
        """The request is over."""
        if (errand := self.generation.close(fate)) is not None:
            await errand

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The log."""
        return [json.loads(line) for line in self.log.getvalue().splitlines()]

    @property
    def ends(self) -> list[tuple[int, str]]:
        """(choice, end), in the order in which they were told."""
        return [(line["choice"], line["end"]) for line in self.lines]

    def count(self, name: str, **labels: str) -> float | None:
        """A metric's value."""
        return self.registry.get_sample_value(name, {"model": "m", "family": "f", **labels})
