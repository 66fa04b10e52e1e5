"""What the server asks of each engine worker over vLLM's collective_rpc.

To be set up, to end a row's thinking, and the forced record.
"""

import os
from typing import Any

from server.budget.running.report import ForcedRecord
from server.budget.text_marks import TextMarks
from server.engine.launch.orphans import BOUND
from server.engine.worker.row_registry import RowRegistry

WireRecord = tuple[dict[int, str], list[int], str | None]


class BudgetWorkerExtension:
    """Mixed into vLLM's worker (`worker_extension_cls`); the names must not collide with the worker's."""

    model_runner: Any
    use_v2_model_runner: bool
    _s1_rows: RowRegistry | None

    def s1_install(self, text: dict[str, Any] | None, blanks: list[int]) -> str:
        """Put budgets into the model runner. Returns what was done, for the start-up check.

        Each API process asks for it; the first one's is everybody's.

        `text`: the marks where they are ordinary text, as `TextMarks.to_wire` has them. `blanks`: the token
        ids of white space.
        """
        if hasattr(self, "_s1_rows"):
            return "installed"
        # Each adapter loads the modules of its own runner only.
        if self.use_v2_model_runner:
            from server.engine.worker.v2_runner import install
        else:
            from server.engine.worker.v1_runner import install
        try:
            self._s1_rows = install(self.model_runner)
        except RuntimeError as error:
            return f"{type(self.model_runner).__name__}: {error}"
        if self._s1_rows is not None:
            self._s1_rows.text = None if text is None else TextMarks.from_wire(text)
            self._s1_rows.blanks = frozenset(blanks)
        return "installed"

    def s1_is_bound(self) -> bool:
        """Whether this worker's engine ends with the server."""
        return BOUND in os.environ

    def s1_end_thinking(self, row_ids: list[str]) -> dict[str, int]:
        """Close these rows' thinking at the next token that is sampled; its output position, by row."""
        rows = self._s1_rows
        return {row_id: rows.end_thinking(row_id) for row_id in row_ids} if rows else {}

    def s1_records(self, row_ids: list[str]) -> dict[str, WireRecord]:
        """The forced records of ended requests that this worker sampled; each is given once."""
        rows = self._s1_rows
        return _wire({row_id: rows.take_record(row_id) for row_id in row_ids} if rows else {})

    def s1_peek_records(self, row_ids: list[str]) -> dict[str, WireRecord]:
        """The forced records so far of requests that this worker samples."""
        rows = self._s1_rows
        return _wire({row_id: rows.peek_record(row_id) for row_id in row_ids} if rows else {})


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
