"""Where an ended choice is told, once, to everything that keeps account of it."""

import time

from server.observability.clock import Clock
from server.observability.log import RequestLog
from server.observability.metrics import Flight, Metrics
from server.observability.record import ChoiceRecord


class Telemetry:
    """The metrics and the log of one server, told of the same records."""

    def __init__(
        self, metrics: Metrics, log: RequestLog, *, keeps_prompts: bool = False, clock: Clock = time.monotonic
    ) -> None:
        self.keeps_prompts = keeps_prompts
        self.clock = clock
        self._metrics = metrics
        self._log = log

    def serve(self, model: str, family: str) -> None:
        """What is about to be served."""
        self._metrics.serve(model, family)

    def flight(self, model: str, family: str) -> Flight:
        """Of a choice that begins."""
        return self._metrics.flight(model, family)

    def end(self, ended: ChoiceRecord) -> None:
        """A choice has ended."""
        self._metrics.observe(ended)
        self._log.end(ended)

    def refuse(self, path: str, field: str) -> None:
        """A request's thinking budget was refused."""
        self._metrics.refuse()
        self._log.refuse(path, field)
