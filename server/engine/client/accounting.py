"""What telemetry is told of one `generate`: of each choice exactly once, however the request ended."""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass

from server.budget.plan import Plan
from server.budget.running.report import ForcedRecord
from server.engine.client.choice import Choice, Outcome
from server.observability.record import ChoiceRecord
from server.observability.telemetry import Telemetry


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


@dataclass(frozen=True, slots=True)
class Account:
    """`close` it once, with every choice that is to be told of."""

    info: GenerationInfo
    telemetry: Telemetry

    def close(self, choices: Sequence[Choice], fate: str) -> Coroutine[None, None, None] | None:
        """Record the choices that have finished, now.

        Args:
            choices: All that are to be recorded, finished or not.
            fate: The end of those that have not finished.

        Returns:
            A coroutine that records those that have not finished once the engine has given their forced
            records; None where there are none.
        """
        cut: list[Choice] = []
        for choice in choices:
            choice.catch_up()
            choice.clock.settle()
            if choice.outcome is None:
                cut.append(choice)
            else:
                self._tell(choice, choice.outcome)
        return self._tell_cut(cut, fate) if cut else None

    async def _tell_cut(self, cut: Sequence[Choice], fate: str) -> None:
        records: Sequence[ForcedRecord | BaseException | None] = [ForcedRecord()] * len(cut)
        try:
            records = await asyncio.gather(*(it.forced_record() for it in cut), return_exceptions=True)
        finally:
            for choice, record in zip(cut, records, strict=True):
                # An engine that is gone has taken with it what it forced.
                known = record if isinstance(record, ForcedRecord) else ForcedRecord()
                self._tell(choice, choice.cut_off(fate, known))

    def _tell(self, choice: Choice, outcome: Outcome) -> None:
        info, report, output_tokens = self.info, outcome.report, choice.tracker.position
        ended = ChoiceRecord(
            id=info.id,
            choice=choice.index,
            model=info.model,
            family=info.family,
            end=outcome.end,
            thinking=report,
            prompt_tokens=info.prompt_tokens,
            answer_tokens=output_tokens - report.tokens,
            forced=Counter(kind for at, kind in outcome.record.forced.items() if at < output_tokens),
            is_clamped=info.is_clamped,
            shows_answer=choice.clock.shows_answer,
            times=choice.clock.times(),
            prompt=info.prompt,
            key=info.key,
        )
        self.telemetry.end(ended)
        if choice.also_tell is not None:
            choice.also_tell(ended)
