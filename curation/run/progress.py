"""The progress of a long stage, on a terminal only: rows done, rows per second, time left."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TextIO, TypeVar

Item = TypeVar("Item")

EVERY_S = 2.0


def watched(
    items: Iterable[Item],
    name: str,
    total: int,
    out: TextIO = sys.stderr,
    now_s: Callable[[], float] = time.monotonic,
) -> Iterator[Item]:
    """Yield the items unchanged. Nothing is printed if `out` is not a terminal, or within EVERY_S seconds."""
    start = last = now_s()
    has_printed = False
    for done, item in enumerate(items, 1):
        yield item
        if out.isatty() and (now := now_s()) - last >= EVERY_S:
            out.write(f"\r{line(name, done, total, now - start)}\x1b[K")
            out.flush()
            last, has_printed = now, True
    if has_printed:
        out.write("\r\x1b[K")
        out.flush()


def line(name: str, done: int, total: int, elapsed_s: float) -> str:
    """The progress line."""
    speed = done / elapsed_s
    left_s = (total - done) / speed
    return f"{name:>16}  {done:,} of {total:,}, {speed:,.1f} rows/s, {left_s / 60:,.0f} min left"
