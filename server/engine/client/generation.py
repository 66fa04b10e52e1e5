"""One `generate` on its way through the engine: its choices' rows, trackers and reports, by index."""

import asyncio
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field

from vllm.outputs import CompletionOutput
from vllm.v1.engine import EngineCoreRequest
from vllm.v1.engine.output_processor import RequestState

from server.budget.running.report import ForcedRecord, ThinkingReport
from server.budget.running.tracker import ThinkingTracker
from server.engine.client.accounting import Account
from server.engine.client.call import Call
from server.engine.client.detail import Detail
from server.engine.client.detokenizer import AnswerStopDetokenizer
from server.engine.worker.row_registry import PLAN_KEY, ROW_KEY
from server.reasoning.ends import End


@dataclass(slots=True)
class Generation:
    """`first_choice`: the response's index of its first choice. `stop`, `stop_token_ids`: the client's own,
    taken out of what vLLM gets."""

    account: Account
    call: Call
    first_choice: int
    stop: Sequence[str] = ()
    stop_token_ids: Sequence[int] = ()
    ended_by: End | None = None
    """What ended its thinking before its time: a control request, or the quota of its key."""
    rows: dict[int, str] = field(default_factory=dict)
    """Empty where no budget holds."""
    records: dict[int, asyncio.Future[ForcedRecord | None]] = field(default_factory=dict)
    """Those that were asked for."""
    trackers: dict[int, ThinkingTracker] = field(default_factory=dict)
    details: dict[int, Detail] = field(default_factory=dict)
    """Where detailed reports were asked for."""

    def admit(self, request: EngineCoreRequest, state: RequestState, is_blank: Callable[[int], bool]) -> None:
        """Follow a choice that is registered with the output processor and about to be sent."""
        index = state.request_index
        progress = self.account.admit(index)
        self.trackers[index] = progress.tracker
        is_planned = self.account.info.is_planned
        if state.detokenizer is not None:
            state.detokenizer = stops = AnswerStopDetokenizer(
                state.detokenizer, progress, self.stop, self.stop_token_ids, is_blank, self.call.meter
            )
            if self.call.segment is not None:
                self.call.segment.begin(stops)
            if self.call.detail and is_planned:
                self.details[index] = Detail(progress.tracker, stops.text_ends)
        if is_planned:
            self.rows[index] = row_id = request.request_id
            # The n choices share one params object: each row needs its own name.
            request.sampling_params = params = copy(request.sampling_params)
            params.extra_args = {**params.extra_args, ROW_KEY: row_id}
            if index and self.account.info.plan.steering.is_drawn:
                params.extra_args[PLAN_KEY] = self.account.info.plan.of_choice(index).to_wire()

    def finish(self, choice: CompletionOutput, record: ForcedRecord) -> None:
        """A choice got to its end: report on it, in the response if a budget held on it."""
        index = choice.index
        tracker = self.trackers[index]
        tracker.finish(_END_OF.get(choice.finish_reason or "", End.ERROR))
        detail = self.details.get(index)
        if detail is None:
            report = ThinkingReport.of(tracker, record)
        else:
            detail.record = record
            report = detail.report()
        self.account.finish(index, choice.finish_reason, report, record)
        if self.call.segment is not None:
            self.call.segment.finish(choice, record)
        if self.account.info.is_planned:
            self.call.reports[self.first_choice + index] = report


_END_OF = {"length": End.LENGTH, "stop": End.STOP, "abort": End.STOP, "repetition": End.STOP}
