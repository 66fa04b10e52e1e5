"""Events are read whole however bytes are cut, and whichever line breaks stand in them."""

from collections.abc import AsyncIterator

import httpx
import pytest

from evals.events import events_of

SENT = ': ping\n\ndata: {"a": "\u2028é\u0085"}\r\n\r\ndata:{"b": "\x0b\x1d"}\n\ndata: [DONE]\n\ndata: last'
READ = ['{"a": "\u2028é\u0085"}', '{"b": "\x0b\x1d"}', "last"]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
async def test_events_are_whole_however_they_arrive(size: int) -> None:
    sent = SENT.encode()

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(sent), size):
            yield sent[at : at + size]

    response = httpx.Response(200, content=pieces())
    assert [event async for event in events_of(response)] == READ
