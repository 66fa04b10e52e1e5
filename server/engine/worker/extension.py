"""What the server asks of each engine worker over vLLM's collective_rpc: to be set up, to end a row's
thinking, and the ledger."""

from typing import Any

from server.budget.running.report import Ledger
from server.engine.worker.budget_sampler import BudgetSampler
from server.engine.worker.cpu_generators import take_back_discarded_draws
from server.engine.worker.processor import BudgetProcessor

WireLedger = tuple[dict[int, str], list[int], str | None]


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

    def s1_ledgers(self, row_ids: list[str]) -> dict[str, WireLedger]:
        """The ledgers of ended requests that this worker sampled; each is given once."""
        processor = self._s1_processor()
        return _wire({row_id: processor.take_ledger(row_id) for row_id in row_ids} if processor else {})

    def s1_peek_ledgers(self, row_ids: list[str]) -> dict[str, WireLedger]:
        """The ledgers so far of requests that this worker samples."""
        processor = self._s1_processor()
        return _wire({row_id: processor.peek_ledger(row_id) for row_id in row_ids} if processor else {})

    def _s1_processor(self) -> BudgetProcessor | None:
        batch = getattr(self.model_runner, "input_batch", None)
        for processor in batch.logitsprocs.all if batch is not None else ():
            if isinstance(processor, BudgetProcessor):
                return processor
        return None


def _wire(found: dict[str, Ledger | None]) -> dict[str, WireLedger]:
    return {
        row_id: (
            {at: kind.value for at, kind in ledger.forced.items()},
            list(ledger.waits_at),
            ledger.end.value if ledger.end else None,
        )
        for row_id, ledger in found.items()
        if ledger is not None
    }
