"""One choice's report in detail, while it runs: where forced tokens stand, and how far thinking has come.

The engine's ledger is asked only when a token came that can have been forced: a few times a request.
"""

from collections.abc import Sequence

from server.budget.running.forced_spans import forceable, forced_spans
from server.budget.running.report import Ledger, ThinkingReport
from server.budget.running.tracker import Follower


class Detail:
    """`ledger` is what is known to have been forced so far."""

    __slots__ = ("_follower", "_forceable", "_settled", "_text_ends", "ledger")

    def __init__(self, follower: Follower, text_ends: Sequence[int]) -> None:
        self._follower = follower
        self._text_ends = text_ends
        self._forceable = forceable(follower.plan)
        self._settled = False
        self.ledger = Ledger()

    def asks_ledger(self, tokens: Sequence[int]) -> bool:
        """Whether these new tokens make it out of date; it must then be set anew. Nothing is forced any
        more once the model answers freely, so the first ledger of then is the last."""
        if self._settled or self._forceable.isdisjoint(tokens):
            return False
        self._settled = self._follower.is_free
        return True

    def report(self) -> ThinkingReport:
        """As far as the sequence has come."""
        spans = forced_spans(self.ledger.forced, self._follower, self._text_ends)
        return ThinkingReport.of(self._follower, self.ledger, spans)
