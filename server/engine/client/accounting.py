"""The account of one `generate`: follows each of its choices, and tells telemetry of each exactly once."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Coroutine
from dataclasses import dataclass, field

from server.budget.plan import Plan
from server.budget.running.report import ForcedRecord, ThinkingReport
from server.budget.running.tracker import ThinkingTracker
from server.observability.clock import ChoiceClock
from server.observability.record import ABORTED, NO_THINKING, ChoiceRecord
from server.observability.telemetry import Telemetry
from server.reasoning.ends import End

RecordOf = Callable[[int], Awaitable[ForcedRecord | None]]
"""By the index of an admitted choice."""


@dataclass(frozen=True, slots=True)
class GenerationInfo:
    """What one `generate` is about, the same for each of its n choices."""

    id: str
    model: str
    family: str
    n: int
    plan: Plan
    is_planned: bool
    """False: no budget could be put on it, and its thinking is not known."""
    is_clamped: bool
    prompt_tokens: int
    prompt: str | None
    key: str | None = None
    """The name of the key that asked."""


@dataclass(slots=True)
class Account:
    """`admit` each choice, `finish` those that get to their end, `close` whatever happens."""

    info: GenerationInfo
    telemetry: Telemetry
    is_blank: Callable[[int], bool]
    end_of_turn: Collection[int]
    fate: str | None = ABORTED
    """What becomes of choices that never finish. None: the request was the client's mistake, it never began,
    and is no ended request."""
    _running: dict[int, ChoiceClock] = field(default_factory=dict)
    _outcomes: dict[int, tuple[str, ThinkingReport, ForcedRecord]] = field(default_factory=dict)
    _arrived: float = field(init=False)

    def __post_init__(self) -> None:
        self._arrived = self.telemetry.clock()

    def admit(self, index: int) -> ChoiceClock:
        """The choice goes to the engine."""
        flight = self.telemetry.flight(self.info.model, self.info.family)
        tracker = ThinkingTracker(self.info.plan)
        progress = ChoiceClock(
            tracker, flight, self.telemetry.clock, self._arrived, self.is_blank, self.end_of_turn
        )
        self._running[index] = progress
        return progress

    def finish(self, index: int, reason: str | None, report: ThinkingReport, record: ForcedRecord) -> None:
        """The choice got to its end, for vLLM's finish reason."""
        self._running[index].settle()
        end = (report.end or End.ERROR) if self.info.is_planned else NO_THINKING
        self._outcomes[index] = (End.ERROR if reason == "error" else end, report, record)

    def close(self, record_of: RecordOf) -> Coroutine[None, None, None] | None:
        """The request is over, in whatever way: tell of every choice. What was cut off is told by the
        coroutine returned, when the engine has said what it forced there."""
        for progress in self._running.values():
            progress.settle()
        for index, outcome in self._outcomes.items():
            self._tell(index, *outcome)
        cut = [index for index in range(self.info.n) if index not in self._outcomes]
        if self.fate is None:
            cut = [index for index in cut if index in self._running]
        return self._tell_cut(cut, record_of) if cut else None

    async def _tell_cut(self, cut: list[int], record_of: RecordOf) -> None:
        asked = [index for index in cut if index in self._running]
        records: dict[int, ForcedRecord] = {}
        try:
            answers = await asyncio.gather(*map(record_of, asked), return_exceptions=True)
            # An engine that is gone has taken with it what it forced.
            records = {i: it for i, it in zip(asked, answers, strict=True) if isinstance(it, ForcedRecord)}
        finally:
            for index in cut:
                record = records.get(index, ForcedRecord())
                report = ThinkingReport.of(self._progress(index).tracker, record)
                self._tell(index, self.fate or End.ERROR, report, record)

    def _progress(self, index: int) -> ChoiceClock:
        """Of a choice that is over, or was never admitted."""
        progress = self._running.get(index) or self.admit(index)
        progress.settle()
        return progress

    def _tell(self, index: int, end: str, report: ThinkingReport, record: ForcedRecord) -> None:
        progress, info = self._progress(index), self.info
        output_tokens = progress.tracker.position
        ended = ChoiceRecord(
            id=info.id,
            choice=index,
            model=info.model,
            family=info.family,
            end=end,
            thinking=report,
            prompt_tokens=info.prompt_tokens,
            answer_tokens=output_tokens - report.tokens,
            forced=Counter(kind for at, kind in record.forced.items() if at < output_tokens),
            is_clamped=info.is_clamped,
            shows_answer=progress.shows_answer,
            times=progress.times(),
            prompt=info.prompt,
            key=info.key,
        )
        self.telemetry.end(ended)
        if progress.also_tell is not None:
            progress.also_tell(ended)
