"""What the server asks of each engine worker over vLLM's collective_rpc: to be set up, to end a row's
thinking, and the forced record."""

from typing import Any

from server.budget.running.report import ForcedRecord
from server.engine.worker.budget_sampler import BudgetSampler
from server.engine.worker.cpu_generators import take_back_discarded_draws
from server.engine.worker.processor import BudgetProcessor

WireRecord = tuple[dict[int, str], list[int], str | None]


class BudgetWorkerExtension:
    """Mixed into vLLM's worker (`worker_extension_cls`); the names must not collide with the worker's."""

    model_runner: Any

    def s1_install(self) -> str:
        """Put the budget's sampler in. Returns what was done, for the start-up check."""
        runner = self.model_runner
        if self._s1_processor() is None:
            return f"{type(runner).__name__} has no BudgetProcessor"
        if not isinstance(runner.sampler, BudgetSampler):
            runner.sampler = BudgetSampler(
                logprobs_mode=runner.sampler.logprobs_mode, use_fp64_gumbel=runner.sampler.use_fp64_gumbel
            )
            take_back_discarded_draws(runner)
        return "installed"

    def s1_end_thinking(self, row_ids: list[str]) -> dict[str, int]:
        """Close these rows' thinking at the next token that is sampled; its output position, by row."""
        processor = self._s1_processor()
        return {row_id: processor.end_thinking(row_id) for row_id in row_ids} if processor else {}

    def s1_records(self, row_ids: list[str]) -> dict[str, WireRecord]:
        """The forced records of ended requests that this worker sampled; each is given once."""
        processor = self._s1_processor()
        return _wire({row_id: processor.take_record(row_id) for row_id in row_ids} if processor else {})

    def s1_peek_records(self, row_ids: list[str]) -> dict[str, WireRecord]:
        """The forced records so far of requests that this worker samples."""
        processor = self._s1_processor()
        return _wire({row_id: processor.peek_record(row_id) for row_id in row_ids} if processor else {})

    def _s1_processor(self) -> BudgetProcessor | None:
        batch = getattr(self.model_runner, "input_batch", None)
        for processor in batch.logitsprocs.all if batch is not None else ():
            if isinstance(processor, BudgetProcessor):
                return processor
        return None


def _wire(found: dict[str, ForcedRecord | None]) -> dict[str, WireRecord]:
    return {
        row_id: (
            {at: kind.value for at, kind in record.forced.items()},
            list(record.waits_at),
            record.end.value if record.end else None,
        )
        for row_id, record in found.items()
        if record is not None
    }
