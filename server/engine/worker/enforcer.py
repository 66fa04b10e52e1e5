"""Enforces what the rows' controllers say on the tokens that one step samples.

As tensor operations over the batch; the same on both of vLLM's model runners, whose adapters say which row
is where. It decides nothing: it forbids tokens and sees which ends are likely in `prepare`, before the
sampling, and puts forced tokens and nudges in the place of sampled ones in `commit`, after it. Acting on
the sampled token, not on the logits, makes "sample; if it is the end, drop it and append the nudge" exact
by construction, whatever temperature, top_p, top_k, min_p, penalties or seed the request has.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import torch

from server.budget.budget import TokenIds
from server.budget.running.controller import LANDED, NONE, Action
from server.budget.steering import LIKELY
from server.engine.worker.readback import Readback
from server.engine.worker.row import BatchRow


class Enforcer:
    """One for each engine worker. `seat` when the batch has changed; each step, `prepare` and `commit`."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._rows: Mapping[int, BatchRow] = {}
        self._dirty = True
        self._size = 0
        self._prepared = False
        self._pending: tuple[Readback, list[tuple[int, BatchRow, int]]] | None = None
        self._forbidden: list[tuple[torch.Tensor, torch.Tensor]] = []
        """Rows [n, 1] and the tokens [m] that none of them may sample."""
        self._ends: tuple[torch.Tensor, torch.Tensor] | None = None
        """Rows that end where it is likely, and the token that ends each."""
        self._landing: torch.Tensor | None = None
        """[rows] The token that ends a row now, NONE elsewhere."""
        self._tables: tuple[torch.Tensor, ...] = ()

    def seat(self, rows: Mapping[int, BatchRow]) -> None:
        """From now on these rows are in the batch, by batch index; the batch's other rows have no plan."""
        self._rows, self._dirty = rows, True

    def prepare(self, logits: torch.Tensor) -> torch.Tensor:
        """Before sampling: bring the rows up to date, forbid what must not be sampled.

        Args:
            logits: [rows, vocab], of every row of the batch; changed in place.

        Returns:
            The same tensor.

        Raises:
            RuntimeError: The tokens of the last step did not come through `commit`.
        """
        if not self._rows:
            return logits
        if self._prepared:
            raise RuntimeError("thinking budgets are not enforced: the step's tokens were not committed")
        self.settle()
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
        self._prepared = True
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
        """After sampling: forced tokens and substitutes in the place of sampled ones.

        Args:
            sampled: [rows], the token ids that were sampled, of any integer type.

        Returns:
            [rows], the ids to emit, of the same type; `sampled` itself where no row has a plan.
        """
        if not self._prepared:
            return sampled
        self._prepared = False
        force, watched, substitute, keep, spare = self._tables
        ended = (sampled.unsqueeze(1) == watched).any(dim=1)
        replaced = torch.where(ended & (sampled != keep), substitute.to(sampled.dtype), sampled)
        said = sampled
        if self._landing is not None:
            landed = (self._landing != NONE) & ~ended
            replaced = torch.where(landed, self._landing.to(sampled.dtype), replaced)
            ended, said = ended | landed, torch.where(landed, LANDED, sampled)
        places = [(index, row, len(row.output)) for index, row in self._rows.items()]
        self._pending = (Readback(ended, said), places)
        return torch.where((force != NONE) & (sampled != spare), force.to(sampled.dtype), replaced)

    def check_committed(self) -> None:
        """After a step, that its tokens came through `commit`.

        Raises:
            RuntimeError: They passed by, in a sampler that takes another way.
        """
        if self._rows and self._pending is None:
            raise RuntimeError("thinking budgets are not enforced: the step's tokens were not committed")

    def settle(self) -> None:
        """Tell the rows of the last step which of them sampled an end."""
        if self._pending is None:
            return
        readback, places = self._pending
        self._pending = None
        ended, said = readback.tensors()
        if not bool(ended.any()):
            return
        flags, tokens = ended.tolist(), said.tolist()
        for index, row, at in places:
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
