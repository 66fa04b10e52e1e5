"""One sequence of a request: its tokens as they come out, its forced record and its outcome."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from server.budget.running.action import Phase
from server.budget.running.forced_spans import forceable, forced_spans
from server.budget.running.report import ForcedRecord, ThinkingReport, TokenReport
from server.budget.running.tracker import ThinkingTracker
from server.engine.client.worker_calls import ForcedRecords
from server.keys.meter import Meter
from server.observability.clock import ChoiceClock
from server.observability.record import NO_THINKING, ChoiceRecord
from server.reasoning.ends import End

_END_OF = {"length": End.LENGTH, "stop": End.STOP, "abort": End.STOP, "repetition": End.STOP}
"""Why thinking that is still open ended, by vLLM's finish reason."""
PLAIN_BATCH = 32
"""So many tokens between two marks are counted at once: a gauge may lag behind by as many."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`end` is one of server.observability.record.ENDS; `report` is what the response says, or would say."""

    end: str
    report: ThinkingReport
    record: ForcedRecord


class Detail:
    """The report so far, with forced spans.

    The engine's forced record is asked for only when a token came that can have been forced: a few times
    a request. `record` is what is known so far.
    """

    __slots__ = ("_forceable", "_settled", "_tracker", "record", "text_ends")

    def __init__(self, tracker: ThinkingTracker) -> None:
        self.text_ends: list[int] = []
        """The length of the output's text after each token, in characters."""
        self.record = ForcedRecord()
        self._tracker = tracker
        self._forceable = forceable(tracker.plan)
        self._settled = False

    def asks_record(self, tokens: Sequence[int]) -> bool:
        """Whether these new tokens make `record` out of date; it must then be set anew.

        Nothing is forced any more once the model answers freely, so the first record of then is the last.
        """
        if self._settled or self._forceable.isdisjoint(tokens):
            return False
        self._settled = self._tracker.is_free
        return True

    def report(self) -> ThinkingReport:
        """The report as far as the sequence has come."""
        spans = forced_spans(self.record.forced, self._tracker, self.text_ends)
        return ThinkingReport.of(self._tracker, self.record, spans)


class Choice:
    """`take` or `skim` each token, `finish` or `cut_off` once. No budget holds where `row_id` is None."""

    __slots__ = (
        "_asked",
        "_meter",
        "_records",
        "_skimmed",
        "_tells_tokens",
        "also_tell",
        "clock",
        "detail",
        "index",
        "outcome",
        "row_id",
        "tracker",
    )

    def __init__(
        self,
        index: int,
        row_id: str | None,
        clock: ChoiceClock,
        records: ForcedRecords,
        meter: Meter | None = None,
        *,
        is_detailed: bool = False,
        tells_tokens: bool = False,
    ) -> None:
        self.index = index
        self.row_id = row_id
        self.clock = clock
        self.tracker = clock.tracker
        self.detail = Detail(clock.tracker) if is_detailed else None
        self.outcome: Outcome | None = None
        """None while it runs."""
        self.also_tell: Callable[[ChoiceRecord], None] | None = None
        """Who waits for the record beside telemetry."""
        self._records = records
        self._meter = meter
        self._asked: asyncio.Future[ForcedRecord | None] | None = None
        self._skimmed: list[int] = []
        self._tells_tokens = tells_tokens

    def take(self, token: int) -> bool:
        """Take in the next output token: count it, charge its key, time it.

        Returns whether the model chose it freely, inside the answer.
        """
        self.catch_up()
        tracker = self.tracker
        free, thought, has_begun = tracker.is_free, tracker.tokens, tracker.phase is not Phase.BEFORE
        tracker.feed(token)
        free = free or (not has_begun and tracker.phase is Phase.ANSWER)
        if self._meter is not None and tracker.tokens != thought:
            self._meter.spend(tracker.tokens - thought)
        self.clock.came(token, free)
        return free

    @property
    def is_plain(self) -> bool:
        """Whether tokens that are none of the tracker's marks may be skimmed."""
        return self.tracker.is_plain and self.clock.is_plain

    def skim(self, tokens: Sequence[int]) -> None:
        """Take in the next output tokens, where `is_plain` and none of them is a mark.

        They are counted once there are PLAIN_BATCH of them, or when somebody wants to know; a key is charged
        as they come.
        """
        self._skimmed += tokens
        if self._meter is not None and self.tracker.phase is Phase.THINKING:
            self._meter.spend(len(tokens))
        if len(self._skimmed) >= PLAIN_BATCH:
            self.catch_up()

    def catch_up(self) -> None:
        """Count what was skimmed: the tracker is up to date then."""
        if not (skimmed := self._skimmed):
            return
        self.tracker.feed_plain(skimmed)
        skimmed.clear()
        self.clock.came_plain()

    async def report_so_far(self, tokens: Sequence[int]) -> ThinkingReport | None:
        """The report after these new tokens; None where no detailed one was asked for.

        It raises what the engine client raises when the engine is dead.
        """
        detail = self.detail
        if detail is None:
            return None
        if self.row_id is not None and detail.asks_record(tokens):
            detail.record = await self._records.so_far.take(self.row_id) or detail.record
        return detail.report()

    async def forced_record(self) -> ForcedRecord | None:
        """The forced record of the sequence, which has ended; None where no worker knows it.

        It may be awaited again. It raises what the engine client raises when the engine is dead.
        """
        if self.row_id is None:
            return ForcedRecord()
        if self._asked is None:  # the workers give it once, and who asks may be cancelled
            self._asked = asyncio.ensure_future(self._records.ended.take(self.row_id))
        return await asyncio.shield(self._asked)

    def finish(
        self, reason: str | None, record: ForcedRecord, end_of_thinking: End | None = None
    ) -> ThinkingReport:
        """The sequence ended with vLLM's finish reason. Returns what the response says.

        `end_of_thinking`: why thinking that is open ended, where the reason does not say it.
        """
        self.catch_up()
        self.tracker.finish(end_of_thinking or _END_OF.get(reason or "", End.ERROR))
        self.clock.settle()
        if self.detail is None:
            report = ThinkingReport.of(self.tracker, record)
        else:
            self.detail.record = record
            report = self.detail.report()
        if self._tells_tokens:
            report = replace(report, in_tokens=TokenReport.of(self.tracker, record))
        end = NO_THINKING if self.row_id is None else report.end or End.ERROR
        self.outcome = Outcome(End.ERROR if reason == "error" else end, report, record)
        return report

    def cut_off(self, end: str, record: ForcedRecord) -> Outcome:
        """The sequence never finished: its outcome has what came out until now."""
        self.catch_up()
        self.outcome = Outcome(end, ThinkingReport.of(self.tracker, record), record)
        return self.outcome
