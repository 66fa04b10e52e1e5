"""Tells the engine that holds a row to end its thinking now, and the row's follower at which position."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid1

from vllm.v1.engine import EngineCoreRequestType

from server.budget.follower import Follower
from server.budget.plan import NEVER, End

Positions = list[dict[str, int]]
"""By worker: the output position of the first token behind the request, by row."""


class EndDesk:
    """`end` some rows' thinking. `core` is the engine client's connection to its engines."""

    def __init__(self, core: Any) -> None:
        self._core = core

    async def end(self, followers: Mapping[str, Follower], why: End) -> None:
        """Close these rows' thinking at the next token that is sampled, or at the first one where a row
        still waits for its turn. Rows that have ended are left alone. Raises what the engine raises."""
        names = {row: why if it.requested_at == NEVER else it.requested_by for row, it in followers.items()}

        def hear(workers: Positions) -> None:
            for positions in workers:  # the last stage of a pipeline samples, and answers last
                for row_id, at in positions.items():
                    followers[row_id].requested_at = at
                    followers[row_id].requested_by = names[row_id]

        by_engine: defaultdict[Any, list[str]] = defaultdict(list)
        for row_id in followers:
            by_engine[self._engine_of(row_id)].append(row_id)
        by_engine.pop(None, None)
        await asyncio.gather(*(self._ask(engine, rows, hear) for engine, rows in by_engine.items()))

    def _engine_of(self, row_id: str) -> Any:
        """Of data-parallel engines the one that holds the row; None when it has ended."""
        routed: Mapping[str, Any] | None = getattr(self._core, "reqs_in_flight", None)
        return self._core.core_engine if routed is None else routed.get(row_id)

    async def _ask(self, engine: Any, row_ids: list[str], hear: Callable[[Positions], None]) -> None:
        """AsyncMPClient's own call of a utility, but for the future that waits for the answer."""
        core, call_id, answer = self._core, uuid1().int >> 64, _Heard(hear)
        core.utility_results[call_id] = answer
        call = (core.client_index, call_id, "collective_rpc", ("s1_end_thinking", None, (row_ids,), None))
        await core._send_input_message(
            (EngineCoreRequestType.UTILITY.value, *core.encoder.encode(call)), engine
        )
        await answer


class _Heard(asyncio.Future[Positions]):
    """A future whose result is taken in the moment that it comes.

    The engine sends its answer and the tokens behind it through one socket, in order. A plain future's
    waiter runs a turn of the loop later: the token at the position could be read before it.
    """

    def __init__(self, hear: Callable[[Positions], None]) -> None:
        super().__init__()
        self._hear = hear

    def set_result(self, result: Positions) -> None:
        """Also when nobody waits any more: the engine has done it."""
        self._hear(result)
        super().set_result(result)
