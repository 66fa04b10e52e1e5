"""One `generate` on its way through the engine: its choices' rows, followers and reports, by index."""

import asyncio
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field

from vllm.outputs import CompletionOutput
from vllm.v1.engine import EngineCoreRequest
from vllm.v1.engine.output_processor import RequestState

from server.budget.plan import End
from server.budget.running.report import Ledger, ThinkingReport
from server.budget.running.tracker import Follower
from server.engine.client.accounting import Account
from server.engine.client.call import Call
from server.engine.client.detail import Detail
from server.engine.client.detokenizer import AnswerStops
from server.engine.worker.processor import PLAN_KEY, ROW_KEY


@dataclass(slots=True)
class Governed:
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
    ledgers: dict[int, asyncio.Future[Ledger]] = field(default_factory=dict)
    """Those that were asked for."""
    followers: dict[int, Follower] = field(default_factory=dict)
    details: dict[int, Detail] = field(default_factory=dict)
    """Where detailed reports were asked for."""

    def admit(self, request: EngineCoreRequest, state: RequestState, is_blank: Callable[[int], bool]) -> None:
        """Follow a choice that is registered with the output processor and about to be sent."""
        index = state.request_index
        progress = self.account.admit(index)
        self.followers[index] = progress.follower
        is_planned = self.account.subject.is_planned
        if state.detokenizer is not None:
            state.detokenizer = stops = AnswerStops(
                state.detokenizer, progress, self.stop, self.stop_token_ids, is_blank, self.call.meter
            )
            if self.call.line is not None:
                self.call.line.begin(stops)
            if self.call.detail and is_planned:
                self.details[index] = Detail(progress.follower, stops.text_ends)
        if is_planned:
            self.rows[index] = row_id = request.request_id
            # The n choices share one params object: each row needs its own name.
            request.sampling_params = params = copy(request.sampling_params)
            params.extra_args = {**params.extra_args, ROW_KEY: row_id}
            if index and self.account.subject.plan.steering.is_drawn:
                params.extra_args[PLAN_KEY] = self.account.subject.plan.of_choice(index).to_wire()

    def finish(self, choice: CompletionOutput, ledger: Ledger) -> None:
        """A choice got to its end: report on it, in the response if a budget held on it."""
        index = choice.index
        follower = self.followers[index]
        follower.finish(_END_OF.get(choice.finish_reason or "", End.ERROR))
        detail = self.details.get(index)
        if detail is None:
            report = ThinkingReport.of(follower, ledger)
        else:
            detail.ledger = ledger
            report = detail.report()
        self.account.finish(index, choice.finish_reason, report, ledger)
        if self.call.line is not None:
            self.call.line.finish(choice, ledger)
        if self.account.subject.is_planned:
            self.call.reports[self.first_choice + index] = report


_END_OF = {"length": End.LENGTH, "stop": End.STOP, "abort": End.STOP, "repetition": End.STOP}
