"""A step of speculative decoding: a row's draft is verified, and several of its tokens are sampled at once.

Rejection sampling makes each token, given those before it, a draw of the model's own. So the budget acts on
what comes out of it, position by position, and cuts the row behind the first token that is not the drafted
one, or ends thinking: what was sampled behind it followed another text. A forced token needs no draw: it
comes as well where the draw before it was rejected, and a forced token that was drafted stands there.
"""

from collections.abc import Mapping, Sequence
from itertools import chain, repeat

import torch

from server.budget.running.action import NONE, Action
from server.budget.steering import LIKELY
from server.engine.worker.row import BatchRow
from server.engine.worker.tables import Tables, move

REJECTED = -1
"""Stands behind the tokens that a row is given, as vLLM's rejection sampler has it."""
NOT_DRAWN = -5
"""The same beside the actions' own marks, which it equals none of."""


class DraftedStep:
    """`prepare` some positions' logits, and `commit` some rows, until all are done.

    Position i of a row is the one behind i tokens of its draft. They are numbered through all rows, `width` a
    row.
    """

    def __init__(
        self,
        rows: Mapping[int, BatchRow],
        tables: Tables,
        drafts: Sequence[Sequence[int]],
        width: int,
        device: torch.device,
    ) -> None:
        """`tables`: of the rows' next tokens. `drafts`: [batch], token ids, at most width - 1 a row."""
        size = len(drafts)
        entries, reach = [[index] * width for index in range(size)], [width] * size
        along: list[Action] = []
        for index, row in rows.items():
            if (actions := row.actions_along(drafts[index])) is not None:
                first = size + len(along)
                entries[index][: len(actions)] = range(first, first + len(actions))
                reach[index] = len(actions)
                along += actions
        if along:
            named = {index: row.action for index, row in rows.items()}
            tables = Tables(named | dict(enumerate(along, size)), size + len(along), device)
        starts = range(0, size * width, width)
        of_drafts = [
            start + at for start, draft in zip(starts, drafts, strict=True) for at in range(len(draft))
        ]
        behind = [start + len(draft) for start, draft in zip(starts, drafts, strict=True)]
        padded = chain.from_iterable((*draft, *repeat(NOT_DRAWN, width - len(draft))) for draft in drafts)
        lists = (chain.from_iterable(entries), padded, reach, of_drafts, behind)
        moved = move([list(each) for each in (*lists, sorted((*of_drafts, *behind)))], device)
        self._entries, self._drafts, reaches, self.of_drafts, self.behind, self.in_order = moved
        """`of_drafts`: positions at which drafts' tokens stand. `behind`: [batch], those behind drafts.
        `in_order`: both, row by row."""
        self._is_in_reach = torch.arange(width, device=device) < reaches.unsqueeze(1)
        self._tables = tables
        self._landing: torch.Tensor | None = None
        self._committed: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._rows_committed = 0

    def prepare(self, logits: torch.Tensor, positions: torch.Tensor) -> None:
        """Before sampling: forbid what must not be sampled, and see which ends are likely.

        Args:
            logits: [n, vocab], changed in place.
            positions: [n], where they are.
        """
        of = self._entries[positions]
        for rows, tokens in self._tables.forbidden:
            is_here = torch.isin(of, rows).unsqueeze(1)
            logits[:, tokens] = logits[:, tokens].masked_fill(is_here, float("-inf"))
        if self._tables.ends is None:
            return
        if self._landing is None:
            self._landing = torch.full_like(self._entries, NONE)
        rows, ends = self._tables.ends
        likely = torch.full_like(self._tables.force, NONE)
        likely[rows] = ends
        here = likely[of]
        chances = (
            logits.softmax(dim=-1, dtype=torch.float32).gather(1, here.clamp(min=0).unsqueeze(1)).squeeze(1)
        )
        self._landing[positions] = torch.where(chances >= LIKELY, here, NONE)

    def commit(self, sampled: torch.Tensor) -> None:
        """After sampling, in place: of the next rows, those behind the rows that are committed already.

        Args:
            sampled: [rows, width], token ids, REJECTED behind those that were accepted, or taken instead.
        """
        count, width = sampled.shape
        rows = slice(self._rows_committed, self._rows_committed + count)
        entries, drafts = (each.view(-1, width)[rows] for each in (self._entries, self._drafts))
        landing = None if self._landing is None else self._landing.view(-1, width)[rows]
        drawn = torch.where(sampled == REJECTED, NOT_DRAWN, sampled)
        put, said = self._tables.enforce(drawn, landing, entries)
        is_script = (self._tables.force[entries] != NONE) & (self._tables.spare[entries] == NONE)
        comes = self._is_in_reach[rows] & (is_script | (drawn != NOT_DRAWN))
        stops = ~comes | (said != NONE) | (put != drafts)
        stays = comes & (stops.cumsum(dim=1) <= stops.int())
        ended = (said != NONE) & stays
        at = ended.int().argmax(dim=1)
        first = said.gather(1, at.unsqueeze(1)).squeeze(1)
        sampled.copy_(torch.where(stays, put, REJECTED))
        self._committed.append((torch.where(ended.any(dim=1), first, NONE), at))
        self._rows_committed += count

    @property
    def committed(self) -> tuple[torch.Tensor, ...] | None:
        """Both [batch]: the end that a row has sampled, LANDED, or NONE; behind how many of its tokens.

        None until every row is committed.
        """
        if self._rows_committed < len(self.behind):
            return None
        return tuple(map(torch.cat, zip(*self._committed, strict=True)))
