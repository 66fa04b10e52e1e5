"""Asks the engine's workers what they forced, for all requests that end at about the same time at once."""

import asyncio
from collections.abc import Awaitable, Callable

from server.budget.controller import Kind
from server.budget.plan import End
from server.budget.report import Ledger
from server.engine.worker import WireLedger

Fetch = Callable[[list[str]], Awaitable[list[dict[str, WireLedger]]]]
"""Row ids to what each worker knows of them."""


class LedgerDesk:
    """`take` a row's ledger; while one question is on its way, the next ones gather."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._waiting: dict[str, asyncio.Future[Ledger]] = {}
        self._errand: asyncio.Task[None] | None = None

    async def take(self, row_id: str) -> Ledger:
        """The ledger of an ended row. Raises what the engine raises when it is gone."""
        return await asyncio.shield(self._ask(row_id))

    def _ask(self, row_id: str) -> asyncio.Future[Ledger]:
        future = self._waiting.get(row_id)
        if future is None:
            future = self._waiting[row_id] = asyncio.get_running_loop().create_future()
        if self._errand is None or self._errand.done():
            self._errand = asyncio.create_task(self._run())
        return future

    async def _run(self) -> None:
        while self._waiting:
            asked, self._waiting = self._waiting, {}
            try:
                answers = await self._fetch(list(asked))
            except Exception as error:  # noqa: BLE001  whatever it is, each asker gets it
                for future in asked.values():
                    future.set_exception(error)
                continue
            known = {row_id: wire for answer in answers for row_id, wire in answer.items()}
            for row_id, future in asked.items():
                future.set_result(_read(known[row_id]) if row_id in known else Ledger())


def _read(wire: WireLedger) -> Ledger:
    forced, waits_at, end = wire
    return Ledger({at: Kind(kind) for at, kind in forced.items()}, tuple(waits_at), End(end) if end else None)
