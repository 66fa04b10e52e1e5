"""What the rows' actions say of one batch, as tensors on the device; moved there in one copy."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain

import torch

from server.budget.budget import TokenIds
from server.budget.running.controller import LANDED, NONE, Action

NO_TOKEN_EITHER = -2
"""Fills up `watched`: it is never sampled, and not the NONE that an unwatched row's other tables hold."""


class Tables:
    """`actions` by batch index, of the rows that have a plan; `size`: rows of the batch, all of them.

    `force`, `substitute`, `keep`, `spare`: [rows] token ids as in Action, NONE where there is none.
    `watched`: [rows, most that one row watches].
    `forbidden`: batch indices [n, 1], and the tokens [m] that none of them may sample.
    `ends`: the batch indices [n] of the rows that end where it is likely, and the token [n] that ends each;
    None where no row does.
    """

    __slots__ = ("ends", "forbidden", "force", "keep", "size", "spare", "substitute", "watched")

    def __init__(self, actions: Mapping[int, Action], size: int, device: torch.device) -> None:
        self.size = size
        width = max((len(action.watched) for action in actions.values()), default=0) or 1
        force, substitute, keep, spare = ([NONE] * size for _ in range(4))
        watched = [NO_TOKEN_EITHER] * (size * width)
        forbidden: defaultdict[TokenIds, list[int]] = defaultdict(list)
        likely: dict[int, int] = {}
        for index, action in actions.items():
            force[index], substitute[index] = action.force, action.substitute
            keep[index], spare[index] = action.keep, action.spare
            watched[index * width : index * width + len(action.watched)] = action.watched
            if action.forbidden:
                forbidden[action.forbidden].append(index)
            if action.likely != NONE:
                likely[index] = action.likely
        lists = (force, substitute, keep, spare, watched, list(likely), list(likely.values()))
        moved = move((*lists, *chain.from_iterable(forbidden.items())), device)
        self.force, self.substitute, self.keep, self.spare = moved[:4]
        self.watched = moved[4].view(size, width)
        self.ends = (moved[5], moved[6]) if likely else None
        tokens, rows = moved[7::2], moved[8::2]
        self.forbidden = [(row.unsqueeze(1), token) for row, token in zip(rows, tokens, strict=True)]

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
        tables = (self.force, self.substitute, self.keep, self.spare, self.watched)
        force, substitute, keep, spare, watched = tables if of is None else (each[of] for each in tables)
        ended = (sampled.unsqueeze(-1) == watched).any(dim=-1)
        replaced = torch.where(ended & (sampled != keep), substitute.to(sampled.dtype), sampled)
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
    return flat.to(device, non_blocking=True).split([len(each) for each in lists])
