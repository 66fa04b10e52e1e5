"""A rollout as the server returns it: its tokens, their logprobs, and which of them are the model's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from training.errors import TrainingError

CUT = "length"


@dataclass(frozen=True, slots=True)
class Rollout:
    """`own`: 1 for a token of the model's own, 0 for a forced one, as long as `ids`, as `logprobs` is."""

    prompt_ids: Sequence[int]
    ids: Sequence[int]
    logprobs: Sequence[float]
    own: Sequence[int]
    thinking_tokens: int
    answer: str
    end: str
    is_cut: bool
    """It ended at a maximum, before the end of its turn."""

    @property
    def forced(self) -> int:
        """The number of forced tokens."""
        return len(self.own) - sum(self.own)


def rollouts_of(reply: Mapping[str, Any]) -> list[Rollout]:
    """The choices of a chat completion that was asked for with `return_token_ids` and `logprobs`.

    Raises:
        TrainingError: The server leaves out what a rollout is made of; it names the field.
    """
    try:
        return [_rollout(choice, reply["prompt_token_ids"]) for choice in reply["choices"]]
    except (KeyError, TypeError) as error:
        raise TrainingError(f"the server's reply is no rollout: {error!r}") from error


def _rollout(choice: Mapping[str, Any], prompt_ids: Sequence[int]) -> Rollout:
    ids, report = choice["token_ids"], choice["thinking"]
    logprobs = [each["logprob"] for each in choice["logprobs"]["content"]]
    if not ids or len(logprobs) != len(ids):
        raise TrainingError(f"the server's reply has {len(ids)} token_ids and {len(logprobs)} logprobs")
    return Rollout(
        prompt_ids,
        ids,
        logprobs,
        own_of(len(ids), report["forced_token_spans"]),
        report["tokens"],
        choice["message"].get("content") or "",
        report["end"] or CUT,
        choice["finish_reason"] == CUT,
    )


def own_of(count: int, spans: Sequence[Mapping[str, Any]]) -> list[int]:
    """1 for each of `count` tokens, but 0 within the forced spans."""
    own = [1] * count
    for span in spans:
        for at in range(span["start"], span["end"]):
            own[at] = 0
    return own
