r"""The events of a streamed response: the data of each, as text.

Lines end at \n or \r\n alone: JSON may hold the other line breaks of Unicode as they are.
"""

from collections.abc import AsyncIterator

import httpx


async def events_of(response: httpx.Response) -> AsyncIterator[str]:
    """Yield the data of each event, without the closing [DONE]."""
    async for line in _lines(response):
        if line.startswith(b"data:") and (data := line[5:].strip()) != b"[DONE]":
            yield data.decode(errors="replace")


async def _lines(response: httpx.Response) -> AsyncIterator[bytes]:
    rest = b""
    async for piece in response.aiter_bytes():
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line.removesuffix(b"\r")
    yield rest
