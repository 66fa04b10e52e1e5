"""Where an ended choice is reported, once, to metrics and log."""

import time

from server.observability.clock import Clock
from server.observability.log import RequestLog
from server.observability.metrics import Flight, Metrics
from server.observability.record import ChoiceRecord


class Telemetry:
    """The metrics and the log of one server, which get the same records."""

    def __init__(
        self, metrics: Metrics, log: RequestLog, *, keeps_prompts: bool = False, clock: Clock = time.monotonic
    ) -> None:
        self.keeps_prompts = keeps_prompts
        self.clock = clock
        self._metrics = metrics
        self._log = log

    def serve(self, model: str, family: str) -> None:
        """A model is about to be served: its series start at 0."""
        self._metrics.serve(model, family)

    def flight(self, model: str, family: str) -> Flight:
        """The gauges' share of a choice that begins."""
        return self._metrics.flight(model, family)

    def end(self, ended: ChoiceRecord) -> None:
        """A choice has ended."""
        self._metrics.observe(ended)
        self._log.end(ended)

    def refuse(self, path: str, field: str) -> None:
        """A request's thinking budget was refused."""
        self._metrics.refuse()
        self._log.refuse(path, field)
