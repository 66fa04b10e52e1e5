"""One `generate` on its way through the engine: its choices, and their reports on the way to the call."""

from collections.abc import Callable, Collection, Coroutine, Sequence
from copy import copy
from dataclasses import dataclass, field

from vllm.outputs import RequestOutput
from vllm.v1.engine import EngineCoreRequest
from vllm.v1.engine.output_processor import RequestState

from server.budget.running.report import ForcedRecord
from server.budget.running.tracker import ThinkingTracker
from server.engine.client.accounting import Account
from server.engine.client.call import Call
from server.engine.client.choice import Choice
from server.engine.client.detokenizer import TRUNCATED, AnswerStopDetokenizer
from server.engine.client.worker_calls import ForcedRecords
from server.engine.seams import SeamError
from server.engine.worker.row_registry import PLAN_KEY, ROW_KEY
from server.observability.clock import ChoiceClock
from server.reasoning.ends import End


@dataclass(slots=True)
class Generation:
    """`admit` each choice, `report` each output, `close` it whatever happens."""

    account: Account
    call: Call
    records: ForcedRecords
    is_blank: Callable[[int], bool]
    """Whether a token's text is nothing but white space."""
    end_of_turn: Collection[int]
    first_choice: int = 0
    """The response's index of its first choice."""
    stop: Sequence[str] = ()
    stop_token_ids: Sequence[int] = ()
    """The client's own stops, taken out of what vLLM gets."""
    ended_by: End | None = None
    """What ended its thinking before its time: a control request, or the quota of its key."""
    choices: dict[int, Choice] = field(default_factory=dict)
    """Those that went to the engine, by index."""
    request_ids: dict[int, str] = field(default_factory=dict)
    """What the engine calls them, where a grammar holds."""
    _arrived: float = field(init=False)

    def __post_init__(self) -> None:
        self._arrived = self.account.telemetry.clock()

    def admit(self, request: EngineCoreRequest, state: RequestState) -> Choice:
        """Follow a choice that is registered with the output processor and about to be sent."""
        index, info = state.request_index, self.account.info
        choice = self._open(index, request.request_id if info.is_planned else None)
        self.choices[index] = choice
        if request.sampling_params is not None and request.sampling_params.structured_outputs is not None:
            self.request_ids[index] = request.request_id
        if state.detokenizer is not None:
            state.detokenizer = stops = AnswerStopDetokenizer(
                state.detokenizer, choice, self.stop, self.stop_token_ids, self.is_blank
            )
            stops.truncate_at = info.plan.max_tokens if self.call.budget.truncates else None
            if self.call.segment is not None:
                self.call.segment.begin(stops)
        if choice.row_id is not None:
            # The n choices share one params object: each row needs its own name.
            request.sampling_params = params = copy(request.sampling_params)
            params.extra_args = {**params.extra_args, ROW_KEY: choice.row_id}
            if index and info.plan.steering.is_drawn:
                params.extra_args[PLAN_KEY] = info.plan.of_choice(index).to_wire()
        return choice

    def has_news(self, output: RequestOutput) -> bool:
        """Whether there is anything to `report` of an output: not of plain tokens on their way."""
        call = self.call
        if call.detail or call.segment is not None:
            return True
        return any(
            each.finish_reason is not None or each.index not in self.choices for each in output.outputs
        )

    async def report(self, output: RequestOutput) -> None:
        """Report on the choices of one output, in the call where a budget holds.

        It raises what the engine client raises when the engine is dead.

        Raises:
            SeamError: This release of vLLM has run a choice past `admit`, or past its budget.
        """
        segment = self.call.segment
        if segment is not None:
            segment.cached_tokens = output.num_cached_tokens or 0
        for completion in output.outputs:
            choice = self.choices.get(completion.index)
            if choice is None:  # every sequence is admitted before its first token
                raise SeamError("this release of vLLM sends requests past AsyncMPClient.add_request_async")
            place = self.first_choice + choice.index
            if not completion.finished():
                report = await choice.report_so_far(completion.token_ids)
                if report is not None:
                    self.call.progress[place] = report
                continue
            record = await choice.forced_record()
            if record is None and choice.tracker.position:
                raise SeamError("this release of vLLM has run a request past its thinking budget")
            record = record or ForcedRecord()
            end = None
            if completion.stop_reason == TRUNCATED:
                completion.finish_reason, completion.stop_reason, end = "length", None, End.MAX_TOKENS
            report = choice.finish(completion.finish_reason, record, end)
            if segment is not None:
                segment.finish(completion, record)
            if choice.row_id is not None:
                self.call.reports[place] = report

    def close(self, fate: str | None) -> Coroutine[None, None, None] | None:
        """The request is over: record every choice.

        Args:
            fate: The end of the choices that never finished. None: the request was the client's mistake, and
                a choice that never went to the engine is not recorded.

        Returns:
            A coroutine that records the unfinished choices once the engine has given their forced records;
            None where all have finished.
        """
        choices = list(self.choices.values())
        if fate is not None:
            missing = (index for index in range(self.account.info.n) if index not in self.choices)
            choices += [self._open(index, None) for index in missing]
        return self.account.close(choices, fate or End.ERROR)

    def _open(self, index: int, row_id: str | None) -> Choice:
        info, telemetry = self.account.info, self.account.telemetry
        clock = ChoiceClock(
            ThinkingTracker(info.plan),
            telemetry.flight(info.model, info.family),
            telemetry.clock,
            self._arrived,
            self.is_blank,
            self.end_of_turn,
        )
        is_governed = row_id is not None
        return Choice(
            index,
            row_id,
            clock,
            self.records,
            self.call.meter,
            is_detailed=self.call.detail and is_governed,
            tells_tokens=self.call.returns_tokens and is_governed,
        )
