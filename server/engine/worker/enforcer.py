"""Enforces what the rows' controllers say on the tokens that one step samples.

As tensor operations over the batch; the same on both of vLLM's model runners, whose adapters say which row
is where. It decides nothing: it forbids tokens and sees which ends are likely in `prepare`, before the
sampling, and puts forced tokens and nudges in the place of sampled ones in `commit`, after it. Acting on
the sampled token, not on the logits, makes "sample; if it is the end, drop it and append the nudge" exact
by construction, whatever temperature, top_p, top_k, min_p, penalties or seed the request has.
"""

from collections.abc import Iterator, Mapping, Sequence

import torch

from server.budget.running.action import NONE
from server.budget.steering import LIKELY
from server.engine.worker.drafted_step import DraftedStep
from server.engine.worker.readback import Readback
from server.engine.worker.row import BatchRow
from server.engine.worker.tables import Tables


class Enforcer:
    """One for each engine worker. `seat` when the batch has changed; a step is `prepare`, `commit`, `send`.

    One that verifies drafts is `begin_drafted`, `drafted.prepare`, `commit_drafted`, `send`.
    The device is never waited for but in `take`, for what the step before has sent. A step copies nothing to
    the device unless a row's action or the batch has changed, then one tensor; and one back.
    """

    def __init__(self, device: torch.device) -> None:
        self.drafted: DraftedStep | None = None
        """The step that verifies drafts, until its tokens are committed."""
        self._device = device
        self._rows: Mapping[int, BatchRow] = {}
        self._listening: list[BatchRow] = []
        """Of them those that must be told when a token begins a mark."""
        self._dirty = True
        self._prepared = False
        self._committed: tuple[torch.Tensor, ...] = ()
        """[rows] The end that a row of the last step sampled, or LANDED; NONE elsewhere.

        Where drafts were verified, also behind how many of the row's tokens.
        """
        self._columns_sent = 0
        """Of those, in `_readback`."""
        self._places: list[tuple[int, BatchRow, int]] = []
        """Of the last step: batch index, row, and the first output position that was sampled for it."""
        self._readback: Readback | None = None
        self._never = torch.full((), float("-inf"), device=device)
        self._landing: torch.Tensor | None = None
        """[rows] The token that ends a row now, NONE elsewhere."""
        self._tables = Tables({}, 0, device)

    def seat(self, rows: Mapping[int, BatchRow]) -> None:
        """From now on these rows are in the batch, by batch index; the batch's other rows have no plan."""
        self._rows, self._dirty = rows, True
        self._listening = [row for row in rows.values() if row.begins_mark]

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
        self._begin(logits.shape[0])
        for rows, tokens in self._tables.forbidden:
            # Not by a number, which would be copied to the device each time.
            logits.index_put_((rows, tokens), self._never.to(logits.dtype))
        self._landing = self._likely_ends(logits)
        return logits

    def _begin(self, size: int) -> None:
        """Bring the rows, and their tables, up to date for a step of a batch of this size.

        Raises:
            RuntimeError: The tokens of the last step did not come through `commit`.
        """
        if self._prepared:
            raise RuntimeError("thinking budgets are not enforced: the step's tokens were not committed")
        self._catch_up()
        if self._dirty or self._tables.size != size:
            actions = {index: row.action for index, row in self._rows.items()}
            self._tables, self._dirty = Tables(actions, size, self._device), False
        self._prepared = True

    def _catch_up(self) -> None:
        self.take()
        for row in self._listening:
            row.listen()
        for row in self._rows.values():
            if len(row.output) >= row.wake:
                before = row.action
                row.catch_up()
                self._dirty |= row.action != before

    def _likely_ends(self, logits: torch.Tensor) -> torch.Tensor | None:
        """By the model's own distribution: temperature and penalties come later."""
        if self._tables.ends is None:
            return None
        rows, ends = self._tables.ends
        chances = logits[rows].softmax(dim=-1, dtype=torch.float32).gather(1, ends.unsqueeze(1)).squeeze(1)
        landing = torch.full((logits.shape[0],), NONE, dtype=torch.int64, device=logits.device)
        landing[rows] = torch.where(chances >= LIKELY, ends, NONE)
        return landing

    def commit(self, sampled: torch.Tensor) -> torch.Tensor:
        """After sampling: forced tokens and substitutes in the place of sampled ones; then `send`.

        Args:
            sampled: [rows], the token ids that were sampled, of any integer type.

        Returns:
            [rows], the ids to emit, of the same type; `sampled` itself where no row has a plan.
        """
        if not self._prepared:
            return sampled
        put, said = self._tables.enforce(sampled, self._landing)
        self._end((said,))
        return put

    def scripts(self, most: int) -> dict[int, list[int]]:
        """Between two steps: by batch index, the forced tokens that come next, at most so many of a row.

        Drafted, they come in one step.
        """
        self._catch_up()
        return {index: script for index, row in self._forcing() if (script := row.script(most))}

    def scripts_behind(self, drafts: Sequence[Sequence[int]], most: int) -> dict[int, list[int]]:
        """The same behind a step whose tokens stay on the device: of the rows that it found forcing.

        `drafts`: [rows], the token ids that the step verified.
        """
        forcing = self._forcing()
        return {index: script for index, row in forcing if (script := row.script_behind(drafts[index], most))}

    def _forcing(self) -> Iterator[tuple[int, BatchRow]]:
        """Batch index and row, of those whose next token is forced."""
        return ((index, row) for index, row in self._rows.items() if row.action.force != NONE)

    def begin_drafted(self, drafts: Sequence[Sequence[int]], width: int) -> None:
        """Before the logits of a step that verifies drafts.

        Args:
            drafts: [rows], the token ids of each row's, at most width - 1.
            width: The positions of a row.

        Raises:
            RuntimeError: The tokens of the last step did not come through `commit`.
        """
        if self._rows:
            self._begin(len(drafts))
            self.drafted = DraftedStep(self._rows, self._tables, drafts, width, self._device)

    def commit_drafted(self, sampled: torch.Tensor) -> None:
        """After sampling, in place, of all rows or of the next ones; then `send`.

        Once all are committed it does nothing.

        Args:
            sampled: [rows, width], token ids, -1 behind those that were accepted, or taken instead.
        """
        if self.drafted is None:
            return
        self.drafted.commit(sampled)
        if (committed := self.drafted.committed) is not None:
            self._end(committed)
            self.drafted = None

    def _end(self, committed: tuple[torch.Tensor, ...]) -> None:
        self._prepared, self._committed = False, committed
        self._places = [(index, row, len(row.output)) for index, row in self._rows.items()]

    def send(self, *columns: torch.Tensor) -> None:
        """After `commit`: what the rows must know goes to the CPU, in one copy with the adapter's columns.

        Args:
            columns: [rows] each, of any integer type.

        Raises:
            RuntimeError: Nothing was committed, in a sampler that takes another way.
        """
        if not self._committed:
            if self._rows:
                raise RuntimeError("thinking budgets are not enforced: the step's tokens were not committed")
            return
        self._readback, self._columns_sent = Readback((*self._committed, *columns)), len(self._committed)
        self._committed = ()

    def take(self) -> list[list[int]]:
        """The adapter's columns of the last step, once they have arrived; rows are told of their ends.

        Each step's are given once; else, as before the first step, the list is empty.
        """
        if self._readback is None:
            return []
        columns, self._readback = self._readback.columns(), None
        said, *behind = columns[: self._columns_sent]
        for index, row, at in self._places:
            if said[index] != NONE:
                row.end_sampled(said[index], at + (behind[0][index] if behind else 0))
        return columns[self._columns_sent :]
