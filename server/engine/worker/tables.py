"""What the rows' actions say of one batch, as tensors on the device; moved there in one copy."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain

import torch

from server.budget.budget import TokenIds
from server.budget.running.action import LANDED, NONE, Action

NO_TOKEN_EITHER = -2
"""Fills up `watched`: it is never sampled, and not the NONE that an unwatched row's other tables hold."""


class Tables:
    """`actions` by batch index, of the rows that have a plan; `size`: rows of the batch, all of them.

    `force`, `substitute`, `spare`: [rows] token ids as in Action, NONE where there is none.
    `watched`: [rows, most that one row watches].
    `completing`: batch indices [n], and the tokens [m] that each of them watches as well; they can be many.
    `forbidden`: batch indices [n, 1], and the tokens [m] that none of them may sample.
    `ends`: the batch indices [n] of the rows that end where it is likely, and the token [n] that ends each;
    None where no row does.
    """

    __slots__ = ("completing", "ends", "forbidden", "force", "size", "spare", "substitute", "watched")

    def __init__(self, actions: Mapping[int, Action], size: int, device: torch.device) -> None:
        self.size = size
        width = max((len(action.watched) for action in actions.values()), default=0) or 1
        force, substitute, spare = ([NONE] * size for _ in range(3))
        watched = [NO_TOKEN_EITHER] * (size * width)
        forbidden: defaultdict[TokenIds, list[int]] = defaultdict(list)
        completing: defaultdict[TokenIds, list[int]] = defaultdict(list)
        likely: dict[int, int] = {}
        for index, action in actions.items():
            force[index], substitute[index], spare[index] = action.force, action.substitute, action.spare
            watched[index * width : index * width + len(action.watched)] = action.watched
            if action.forbidden:
                forbidden[action.forbidden].append(index)
            if action.completing:
                completing[action.completing].append(index)
            if action.likely != NONE:
                likely[index] = action.likely
        lists = (force, substitute, spare, watched, list(likely), list(likely.values()))
        sets = (*forbidden.items(), *completing.items())
        moved = move((*lists, *chain.from_iterable(sets)), device)
        self.force, self.substitute, self.spare = moved[:3]
        self.watched = moved[3].view(size, width)
        self.ends = (moved[4], moved[5]) if likely else None
        pairs = list(zip(moved[7::2], moved[6::2], strict=True))
        self.forbidden = [(rows.unsqueeze(1), tokens) for rows, tokens in pairs[: len(forbidden)]]
        self.completing = pairs[len(forbidden) :]

    def enforce(
        self, sampled: torch.Tensor, landing: torch.Tensor | None, of: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Put forced tokens and substitutes in the place of sampled ones.

        Args:
            sampled: [rows], the token ids that were sampled, of any integer type.
            landing: [rows], the token that ends a row now, NONE elsewhere; None where none does.
            of: Where the tensors have another shape, the rows whose actions hold there.

        Returns:
            The ids to emit, of the same type, and the ends that were sampled, or LANDED; NONE elsewhere.
        """
        tables = (self.force, self.substitute, self.spare, self.watched)
        force, substitute, spare, watched = tables if of is None else (each[of] for each in tables)
        ended = (sampled.unsqueeze(-1) == watched).any(dim=-1)
        for rows, tokens in self.completing:
            if of is None:
                ended[rows] |= (sampled[rows].unsqueeze(1) == tokens).any(dim=1)
            else:
                ended |= torch.isin(of, rows) & torch.isin(sampled, tokens)
        replaced = torch.where(ended, substitute.to(sampled.dtype), sampled)
        said = torch.where(ended, sampled, NONE)
        if landing is not None:
            landed = (landing != NONE) & ~ended
            replaced = torch.where(landed, landing.to(sampled.dtype), replaced)
            said = torch.where(landed, LANDED, said)
        forced = (force != NONE) & (sampled != spare)
        return torch.where(forced, force.to(sampled.dtype), replaced), said


def move(lists: Sequence[Sequence[int]], device: torch.device) -> Sequence[torch.Tensor]:
    """Lists of numbers to tensors [as long as each] on the device, views of one.

    From pinned memory the copy is waited for by the device alone.
    """
    flat = torch.tensor(list(chain.from_iterable(lists)), dtype=torch.int64, pin_memory=device.type == "cuda")
    return torch.split(flat.to(device, non_blocking=True), [len(each) for each in lists])
