"""The report: what a budget did to one choice, as it stands in the response under `thinking`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from server.budget.plan import Opening
from server.budget.running.action import ForcedKind
from server.budget.running.forced_spans import Span
from server.budget.running.tracker import ThinkingTracker
from server.reasoning.ends import End


@dataclass(frozen=True, slots=True)
class ForcedRecord:
    """What the engine did to one sequence: forced output positions, replaced ends, why thinking closed."""

    forced: Mapping[int, ForcedKind] = field(default_factory=dict)
    waits_at: tuple[int, ...] = ()
    end: End | None = None


@dataclass(frozen=True, slots=True)
class TokenSpan:
    """Output tokens `start` to `end` (exclusive) were forced as part of `kind`."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class TokenReport:
    """The same in positions among a choice's token ids, for who trains on them.

    `answer_at`: of the first token after the end-of-thinking mark; None where thinking never ended.
    """

    forced: tuple[TokenSpan, ...]
    answer_at: int | None

    @classmethod
    def of(cls, tracker: ThinkingTracker, record: ForcedRecord) -> "TokenReport":
        """Up to the last token that came out; the record may be ahead of it."""
        spans: list[TokenSpan] = []
        for at, kind in sorted(record.forced.items()):
            last = spans[-1] if spans else None
            if at >= tracker.position:
                break
            if last is not None and (last.kind, last.end) == (kind.value, at):
                spans[-1] = replace(last, end=at + 1)
            else:
                spans.append(TokenSpan(kind.value, at, at + 1))
        return cls(tuple(spans), tracker.answer_at)


@dataclass(frozen=True, slots=True)
class ThinkingReport:
    """What a budget did to one choice, in tokens; `max_tokens` is -1 for unlimited, `end` is one of `End`."""

    tokens: int
    max_tokens: int
    min_tokens: int
    num_waits: int
    waits_used: int
    forced_tokens: int
    end: str | None
    """None: thinking is still open, in the report so far of a stream."""
    forced_spans: tuple[Span, ...] | None = None
    """None: not asked for."""
    in_tokens: TokenReport | None = None
    """None: the response has no token ids."""
    left_out: bool = False
    """Whether thinking that a maximum above 0 allows was over before the first token: the prompt has closed
    it, or a structured answer comes first."""

    @classmethod
    def of(
        cls, tracker: ThinkingTracker, record: ForcedRecord, forced_spans: tuple[Span, ...] | None = None
    ) -> "ThinkingReport":
        """Join what came out (tracker) with what was forced (record), up to the last token that came out.

        Args:
            tracker: The sequence's tracker, fed with its output.
            record: The worker's, which may be ahead of the output.
            forced_spans: None where they were not asked for.
        """
        plan, end = tracker.plan, tracker.end
        if end in (End.NATURAL, End.STEPS) and record.end is not None:
            end = record.end  # what looks like the model's own end may have been put there, and the reverse
        if plan.is_off and end in (End.NATURAL, End.MAX_TOKENS):
            end = End.OFF  # however it was done: by the prompt, or by a close before the first token
        return cls(
            tokens=tracker.tokens,
            max_tokens=plan.max_tokens,
            min_tokens=plan.min_tokens,
            num_waits=plan.num_waits,
            waits_used=sum(at < tracker.position for at in record.waits_at),
            forced_tokens=sum(at < tracker.position for at in record.forced),
            end=end.value if end else None,
            forced_spans=forced_spans,
            left_out=plan.opening is Opening.CLOSED and plan.max_tokens > 0,
        )

    def to_json(self) -> dict[str, Any]:
        """As it stands in a response."""
        told: dict[str, Any] = {name: getattr(self, name) for name in _NUMBERS}
        if self.left_out:
            told["left_out"] = True
        if self.forced_spans is not None:
            told["forced_spans"] = tuple(
                {"kind": each.kind, "part": each.part, "start": each.start, "end": each.end}
                for each in self.forced_spans
            )
        if (positions := self.in_tokens) is not None:
            told["forced_token_spans"] = tuple(asdict(each) for each in positions.forced)
            told["answer_token_at"] = positions.answer_at
        return told


_TOLD_APART = frozenset({"forced_spans", "in_tokens", "left_out"})
_NUMBERS = tuple(each.name for each in fields(ThinkingReport) if each.name not in _TOLD_APART)
