"""The usage of a scaled request: the tokens of every ask, including discarded ones; thinking separately."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from server.scaling.samples import AskKind


class State(StrEnum):
    """The state of an ask."""

    RUNNING = "running"
    DONE = "done"
    ABORTED = "aborted"
    FAILED = "failed"


@dataclass(slots=True)
class SampleUsage:
    """One ask; all counts are tokens. `cached_tokens` of the prompt came from the prefix cache."""

    index: int
    kind: AskKind
    state: State = State.RUNNING
    prompt_tokens: int = 0
    cached_tokens: int = 0
    thinking_tokens: int = 0
    completion_tokens: int = 0


@dataclass(slots=True)
class Usage:
    """Entries in the order of asking."""

    entries: list[SampleUsage] = field(default_factory=list)

    def open(self, kind: AskKind) -> SampleUsage:
        """Add an entry for a new ask and return it."""
        entry = SampleUsage(len(self.entries), kind)
        self.entries.append(entry)
        return entry

    def totals(self) -> dict[str, Any]:
        """OpenAI's `usage` object. A prompt counts once per ask."""
        prompt = sum(entry.prompt_tokens for entry in self.entries)
        completion = sum(entry.completion_tokens for entry in self.entries)
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": sum(entry.cached_tokens for entry in self.entries)},
            "completion_tokens_details": {
                "reasoning_tokens": sum(entry.thinking_tokens for entry in self.entries)
            },
        }

    def by_kind(self) -> dict[str, dict[str, int]]:
        """The number of asks of each kind, and their tokens."""
        found: dict[str, dict[str, int]] = {}
        for entry in self.entries:
            sums = found.setdefault(entry.kind.value, {"asks": 0, "tokens": 0, "thinking_tokens": 0})
            sums["asks"] += 1
            sums["tokens"] += entry.completion_tokens
            sums["thinking_tokens"] += entry.thinking_tokens
        return found

    def samples(self) -> list[dict[str, Any]]:
        """The complete samples one by one, for the response's `scaling` object."""
        return [
            {
                "index": entry.index,
                "state": entry.state.value,
                "thinking_tokens": entry.thinking_tokens,
                "tokens": entry.completion_tokens,
            }
            for entry in self.entries
            if entry.kind is AskKind.SAMPLE
        ]
