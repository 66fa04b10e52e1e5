"""One choice's report in detail, while it runs: where forced tokens stand, and how far thinking has come.

The engine's forced record is asked only when a token came that can have been forced: a few times a request.
"""

from collections.abc import Sequence

from server.budget.running.forced_spans import forceable, forced_spans
from server.budget.running.report import ForcedRecord, ThinkingReport
from server.budget.running.tracker import ThinkingTracker


class Detail:
    """`record` is what is known to have been forced so far."""

    __slots__ = ("_forceable", "_settled", "_text_ends", "_tracker", "record")

    def __init__(self, tracker: ThinkingTracker, text_ends: Sequence[int]) -> None:
        self._tracker = tracker
        self._text_ends = text_ends
        self._forceable = forceable(tracker.plan)
        self._settled = False
        self.record = ForcedRecord()

    def asks_record(self, tokens: Sequence[int]) -> bool:
        """Whether these new tokens make it out of date; it must then be set anew. Nothing is forced any
        more once the model answers freely, so the first forced record of then is the last."""
        if self._settled or self._forceable.isdisjoint(tokens):
            return False
        self._settled = self._tracker.is_free
        return True

    def report(self) -> ThinkingReport:
        """As far as the sequence has come."""
        spans = forced_spans(self.record.forced, self._tracker, self._text_ends)
        return ThinkingReport.of(self._tracker, self.record, spans)
