"""Every row that has a plan, by its id.

Those in the batch, those that were preempted, and those that have ended and were not asked for yet. Control
requests and forced records come through here, between two steps.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from vllm.sampling_params import SamplingParams

from server.budget.budget import NEVER
from server.budget.plan import Plan
from server.budget.running.report import ForcedRecord
from server.budget.text_marks import TextMarks
from server.engine.worker.row import BatchRow

PLAN_KEY = "s1_plan"
ROW_KEY = "s1_row"
KEPT_ROWS = 16384
"""Rows remembered after they left the batch, for those that come back and for the forced record."""


class RowRegistry:
    """One for each engine worker. `settle`: brings the rows up to the last step that was launched."""

    def __init__(self, settle: Callable[[], object]) -> None:
        self.text: TextMarks | None = None
        """The model's marks where they are ordinary text."""
        self.blanks: frozenset[int] = frozenset()
        """Its tokens of white space."""
        self._settle = settle
        self._rows: OrderedDict[str, BatchRow] = OrderedDict()
        self._requested: OrderedDict[str, None] = OrderedDict()
        """Rows whose thinking was ended before they came: they wait for their first step."""

    def known(self, params: SamplingParams) -> BatchRow | None:
        """The row of a request that was in the batch before, and was preempted."""
        return self._rows.get((params.extra_args or {}).get(ROW_KEY, ""))

    def admit(self, params: SamplingParams, output: list[int]) -> BatchRow | None:
        """The row of a request that enters the batch with this output list; None where it has no plan."""
        extra: dict[str, Any] = params.extra_args or {}
        if PLAN_KEY not in extra:
            return None
        row_id: str = extra[ROW_KEY]
        row = self._rows.get(row_id)
        if row is None:
            requested_at = 0 if row_id in self._requested else NEVER
            self._requested.pop(row_id, None)
            plan = Plan.from_wire(extra[PLAN_KEY], self.text, self.blanks)
            row = self._rows[row_id] = BatchRow(plan, output, requested_at)
            _keep(self._rows)
        else:
            row.rejoin(output)
        return row

    def end_thinking(self, row_id: str) -> int:
        """Close a row's thinking from its next token on. Returns that token's output position."""
        if (row := self._rows.get(row_id)) is not None:
            self._settle()
            return row.end_thinking()
        self._requested[row_id] = None
        _keep(self._requested)
        return 0

    def take_record(self, row_id: str) -> ForcedRecord | None:
        """What was forced in a request that has ended; asked once, then forgotten."""
        self._requested.pop(row_id, None)
        row = self._rows.pop(row_id, None)
        if row is None:
            return None
        self._settle()
        return row.close_record()

    def peek_record(self, row_id: str) -> ForcedRecord | None:
        """What was forced so far in a request that runs; nothing is changed by asking."""
        row = self._rows.get(row_id)
        if row is None:
            return None
        self._settle()
        return row.peek_record()


def _keep(rows: OrderedDict[str, Any]) -> None:
    """The last ones only."""
    while len(rows) > KEPT_ROWS:
        rows.popitem(last=False)
