"""The adapter between the controller and vLLM's V1 logits-processor interface: rows in, rows out.

What it decides is nothing; it keeps one `BatchRow` a request through adds, moves and removals, forbids
tokens and sees which ends are likely in `apply`, and puts forced tokens and nudges in the place of
sampled ones in `commit`, which `BudgetSampler` calls behind the sampling. Acting on the sampled token,
not on the logits, makes "sample; if it is the end, drop it and append the nudge" exact by construction,
whatever temperature, top_p, top_k, min_p, penalties or seed the request has.
"""

from collections import OrderedDict, defaultdict
from typing import Any

import torch
from vllm.config import VllmConfig
from vllm.sampling_params import SamplingParams
from vllm.v1.sample.logits_processor.interface import BatchUpdate, LogitsProcessor, MoveDirectionality

from server.budget.budget import NEVER, TokenIds
from server.budget.plan import Plan
from server.budget.running.controller import LANDED, NONE, Action
from server.budget.running.report import ForcedRecord
from server.budget.steering import LIKELY
from server.engine.worker.row import BatchRow

PLAN_KEY = "s1_plan"
ROW_KEY = "s1_row"
KEPT_ROWS = 16384
"""Rows remembered after they left the batch, for those that come back and for the forced record."""


class BudgetProcessor(LogitsProcessor):
    """One for each engine worker; `rows` maps batch index to row."""

    def __init__(self, vllm_config: VllmConfig, device: torch.device, is_pin_memory: bool) -> None:
        del vllm_config, is_pin_memory
        self._device = device
        self._rows: dict[int, BatchRow] = {}
        self._known: OrderedDict[str, BatchRow] = OrderedDict()
        self._requested: OrderedDict[str, None] = OrderedDict()
        """Rows whose thinking was ended before they came: they wait for their first step."""
        self._dirty = True
        self._size = 0
        self._uncommitted = False
        self._pending: tuple[torch.Tensor, torch.Tensor, list[tuple[int, BatchRow, int]]] | None = None
        self._forbidden: list[tuple[torch.Tensor, torch.Tensor]] = []
        """Rows [n, 1] and the tokens [m] that none of them may sample."""
        self._ends: tuple[torch.Tensor, torch.Tensor] | None = None
        """Rows that end where it is likely, and the token that ends each."""
        self._landing: torch.Tensor | None = None
        """[rows] The token that ends a row now, NONE elsewhere."""
        self._tables: tuple[torch.Tensor, ...] | None = None

    @classmethod
    def validate_params(cls, sampling_params: SamplingParams) -> None:
        """Plans are made by the server; a client's own would be unchecked."""
        extra = sampling_params.extra_args or {}
        if PLAN_KEY in extra and not isinstance(extra[PLAN_KEY], dict):
            raise ValueError(f"{PLAN_KEY} is set by the server, not by a client")

    def is_argmax_invariant(self) -> bool:
        """It forbids and forces tokens, greedy sampling included."""
        return False

    # -- the batch -------------------------------------------------------------------------------

    def update_state(self, batch_update: BatchUpdate | None) -> None:
        """Follow the batch's rows: removed, added, moved, in this order (vLLM's contract)."""
        if batch_update is None:
            return
        self._settle()
        rows = self._rows
        for index in batch_update.removed:
            if (left := rows.pop(index, None)) is not None:
                left.leave()
        for index, params, _, output in batch_update.added:
            row = self._row_of(params, output)
            if row is None:
                rows.pop(index, None)
            else:
                rows[index] = row
        for source, target, direction in batch_update.moved:
            moved, replaced = rows.pop(source, None), rows.pop(target, None)
            if moved is not None:
                rows[target] = moved
            if replaced is not None and direction is MoveDirectionality.SWAP:
                rows[source] = replaced
        self._dirty = True

    def _row_of(self, params: SamplingParams, output: list[int]) -> BatchRow | None:
        extra: dict[str, Any] = params.extra_args or {}
        if PLAN_KEY not in extra:
            return None
        row_id: str = extra[ROW_KEY]
        row = self._known.get(row_id)
        if row is None:
            requested_at = 0 if row_id in self._requested else NEVER
            self._requested.pop(row_id, None)
            row = self._known[row_id] = BatchRow(Plan.from_wire(extra[PLAN_KEY]), output, requested_at)
            _keep(self._known)
        else:
            row.rejoin(output)
        return row

    # -- a step ----------------------------------------------------------------------------------

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        """Before sampling: bring the rows up to date, forbid what must not be sampled. [rows, vocab]"""
        if not self._rows:
            return logits
        if self._uncommitted:
            raise RuntimeError("thinking budgets are not enforced: the sampler is not a BudgetSampler")
        self._settle()
        for row in self._rows.values():
            if len(row.output) >= row.wake:
                before = row.action
                row.catch_up()
                self._dirty |= row.action != before
        if self._dirty or self._size != logits.shape[0]:
            self._build_tables(logits.shape[0])
        for rows, tokens in self._forbidden:
            logits[rows, tokens] = float("-inf")
        self._landing = self._likely_ends(logits)
        self._uncommitted = True
        return logits

    def _likely_ends(self, logits: torch.Tensor) -> torch.Tensor | None:
        """By the model's own distribution: temperature and penalties come later."""
        if self._ends is None:
            return None
        rows, ends = self._ends
        chances = logits[rows].softmax(dim=-1, dtype=torch.float32).gather(1, ends.unsqueeze(1)).squeeze(1)
        landing = torch.full((logits.shape[0],), NONE, dtype=torch.int64, device=logits.device)
        landing[rows] = torch.where(chances >= LIKELY, ends, NONE)
        return landing

    def commit(self, sampled: torch.Tensor) -> torch.Tensor:
        """Behind sampling: forced tokens and substitutes in the place of sampled ones. [rows] -> [rows]"""
        self._uncommitted = False
        if not self._rows or self._tables is None:
            return sampled
        force, watched, substitute, keep, spare = self._tables
        ended = (sampled.unsqueeze(1) == watched).any(dim=1)
        replaced = torch.where(ended & (sampled != keep), substitute.to(sampled.dtype), sampled)
        if self._landing is not None:
            landed = (self._landing != NONE) & ~ended
            replaced = torch.where(landed, self._landing.to(sampled.dtype), replaced)
            ended, sampled = ended | landed, torch.where(landed, LANDED, sampled)
        self._pending = (ended, sampled, [(index, row, len(row.output)) for index, row in self._rows.items()])
        return torch.where((force != NONE) & (sampled != spare), force.to(sampled.dtype), replaced)

    def _settle(self) -> None:
        """Tell the rows of the last step which of them sampled an end."""
        if self._pending is None:
            return
        ended, sampled, rows = self._pending
        self._pending = None
        if not bool(ended.any()):
            return
        flags, tokens = ended.tolist(), sampled.tolist()
        for index, row, at in rows:
            if flags[index]:
                row.end_sampled(tokens[index], at)

    def _build_tables(self, size: int) -> None:
        actions: list[tuple[int, Action]] = [(index, row.action) for index, row in self._rows.items()]
        width = max((len(action.watched) for _, action in actions), default=0) or 1
        force, substitute, keep, spare = ([NONE] * size for _ in range(4))
        # -2 is no token, and not the NONE that an unwatched row's other tables hold.
        watched = [[-2] * width for _ in range(size)]
        forbidden: defaultdict[TokenIds, list[int]] = defaultdict(list)
        for index, action in actions:
            force[index], substitute[index] = action.force, action.substitute
            keep[index], spare[index] = action.keep, action.spare
            watched[index][: len(action.watched)] = action.watched
            if action.forbidden:
                forbidden[action.forbidden].append(index)
        self._tables = tuple(self._ids(each) for each in (force, watched, substitute, keep, spare))
        self._forbidden = [
            (self._ids(rows).unsqueeze(1), self._ids(tokens)) for tokens, rows in forbidden.items()
        ]
        ends = {index: action.likely for index, action in actions if action.likely != NONE}
        self._ends = (self._ids(list(ends)), self._ids(list(ends.values()))) if ends else None
        self._size, self._dirty = size, False

    def _ids(self, values: Any) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.int64).to(self._device, non_blocking=True)

    # -- control and forced record, between two steps -----------------------------------------------------

    def end_thinking(self, row_id: str) -> int:
        """Close a row's thinking from its next token on. Returns that token's output position."""
        if (row := self._known.get(row_id)) is not None:
            return row.end_thinking()
        self._requested[row_id] = None
        _keep(self._requested)
        return 0

    def take_record(self, row_id: str) -> ForcedRecord | None:
        """What was forced in a request that has ended; asked once, then forgotten."""
        self._requested.pop(row_id, None)
        row = self._known.pop(row_id, None)
        if row is None:
            return None
        self._settle()
        return row.close_record()

    def peek_record(self, row_id: str) -> ForcedRecord | None:
        """What was forced so far in a request that runs; nothing is changed by asking."""
        row = self._known.get(row_id)
        if row is None:
            return None
        self._settle()
        return row.peek_record()


def _keep(rows: OrderedDict[str, Any]) -> None:
    """The last ones only."""
    while len(rows) > KEPT_ROWS:
        rows.popitem(last=False)
