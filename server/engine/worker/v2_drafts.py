"""What was drafted on vLLM's V2 model runner: there the scheduler knows but how many drafts a request has.

They stay on the device, by slot, and are read back beside it: nobody waits for them before they are verified.
"""

from collections.abc import Sequence
from itertools import repeat

import torch

from server.engine.worker.readback import Readback

NEVER_DRAFTED = -1
"""Where a request joins with positions of a draft before one was made: the runner accepts none of them, and
no script continues there."""


class Drafts:
    """The last draft made for the request in each slot."""

    def __init__(self) -> None:
        self._by_slot: dict[int, tuple[int, ...]] = {}
        self._readback: Readback | None = None
        self._slots: Sequence[int] = ()

    def joins(self, slot: int) -> None:
        """A request gets the slot: nothing is drafted for it yet."""
        self._settle()
        self._by_slot.pop(slot, None)

    def made(self, slots: Sequence[int], tokens: torch.Tensor) -> None:
        """A step has drafted for the requests in these slots. `tokens`: [rows, drafted tokens]."""
        self._settle()
        self._slots = slots
        self._readback = Readback(tokens.unbind(dim=1)) if tokens.shape[1] else None

    def of(self, slot: int, count: int) -> list[int]:
        """The token ids of which so many are verified now."""
        self._settle()
        made = self._by_slot.get(slot, ())[:count]
        return [*made, *repeat(NEVER_DRAFTED, count - len(made))]

    def _settle(self) -> None:
        if self._readback is not None:
            columns, self._readback = self._readback.columns(), None
            self._by_slot.update(zip(self._slots, zip(*columns, strict=True), strict=True))
