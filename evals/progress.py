"""The progress of a sweep: a bar with tokens per second and time left.

Without a terminal, a line per minute.
"""

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from evals.row import ResultRow

LINE_EVERY_S = 60.0


class Shown:
    """Counts finished problems. `tokens` are those of the final replies, thinking and answer."""

    def __init__(self, total: int, done: int) -> None:
        self.rows = 0
        self.tokens = 0
        self._left = total - done
        self._start = self._printed_at = time.monotonic()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]} tokens/s"),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=Console(file=sys.stderr),
            disable=not sys.stderr.isatty(),
        )
        self._task = self._bar.add_task("sweep", total=total, completed=done, speed="-")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    def advance(self, cell: str, row: ResultRow) -> None:
        """Count one finished row."""
        self.rows += 1
        self.tokens += (row.thinking_tokens or 0) + (row.answer_tokens or 0)
        speed = self.tokens / max(self.seconds, 1e-9)
        self._bar.update(self._task, advance=1, description=cell, speed=f"{speed:,.0f}")
        if self._bar.disable and time.monotonic() - self._printed_at > LINE_EVERY_S:
            self._printed_at = time.monotonic()
            left_s = self.seconds / self.rows * (self._left - self.rows)
            print(
                f"{self.rows}/{self._left} {cell} {speed:,.0f} tokens/s, {left_s:.0f} s left", file=sys.stderr
            )
