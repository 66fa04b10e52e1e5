"""vLLM's detokenizer, wrapped: each token goes to its choice, and client stops act on the answer only."""

from collections.abc import Callable, Collection, Sequence

from vllm.v1.engine.detokenizer import BaseIncrementalDetokenizer, IncrementalDetokenizer

from server.budget.running.action import Phase
from server.budget.running.step import Step
from server.budget.running.tracker import ThinkingTracker
from server.engine.client.choice import Choice

STEP_IS_OVER, TRUNCATED = "s1_step", "s1_truncated"
"""As a `stop_reason`; no client sees them."""


class AnswerStopDetokenizer(IncrementalDetokenizer):
    """Wraps the detokenizer of one sequence.

    `inner` was made without the client's stop strings. They become active at the first token of the answer
    that the model sampled itself (after the delimiter and a forced cue) and that is not white space: the line
    breaks at the beginning of most answers match no stop.
    """

    def __init__(
        self,
        inner: IncrementalDetokenizer,
        choice: Choice,
        stop: Sequence[str],
        stop_token_ids: Collection[int],
        is_blank: Callable[[int], bool],
    ) -> None:
        super().__init__()
        self._inner = inner
        self.choice = choice
        self._stop = list(stop)
        self._stop_token_ids = frozenset(stop_token_ids)
        self._is_blank = is_blank
        self._armed = False
        self.step: Step | None = None
        """Where a piece of thinking ends, if that is what was asked for."""
        self.on_tokens: Callable[[ThinkingTracker], None] | None = None
        """Called after the tokens of each engine step."""
        self.truncate_at: int | None = None
        """After so many thinking tokens the sequence ends."""
        self._is_plain = False
        """Whether tokens that are no marks need no look of ours."""
        self._marks = choice.tracker.marks
        # Their own methods, without a call between: they are called for each token.
        self._skim = choice.skim
        self._plain_update = inner.update
        self.num_output_tokens = inner.num_output_tokens
        self.get_next_output_text = inner.get_next_output_text

    @property
    def output_token_ids(self) -> list[int]:
        """All output tokens so far."""
        return self._inner.output_token_ids

    def update(self, new_token_ids: list[int], stop_terminated: bool) -> str | None:
        """Take in the new tokens of one engine step.

        Returns:
            What the answer stopped at: a stop string, the id of a stop token (which vLLM passes on as
            `stop_reason`), STEP_IS_OVER, TRUNCATED, or None.
        """
        if self._is_plain and self._marks.isdisjoint(new_token_ids):
            self._skim(new_token_ids)
            return self._plain_update(new_token_ids, stop_terminated)
        stopped = self._update(new_token_ids, stop_terminated)
        self._is_plain = stopped is None and self._may_skim()
        if self.on_tokens is not None:
            self.on_tokens(self.choice.tracker)
        return stopped

    def _update(self, new_token_ids: list[int], stop_terminated: bool) -> str | None:
        for at, token in enumerate(new_token_ids):
            stopped = self._take(token, stop_terminated and at == len(new_token_ids) - 1)
            choice, step = self.choice, self.step
            if choice.detail is not None and isinstance(self._inner, BaseIncrementalDetokenizer):
                choice.detail.text_ends.append(len(self._inner.output_text))
            if stopped is None and step is not None and step.is_over(choice.tracker, self._text):
                stopped = STEP_IS_OVER
            if stopped is None and self.truncate_at is not None:
                stopped = TRUNCATED if choice.tracker.tokens >= self.truncate_at else None
            if stopped is not None:
                return stopped
        return None

    def _take(self, token: int, stop_terminated: bool) -> str | None:
        free = self.choice.take(token)
        if free and not self._armed and not self._is_blank(token):
            self._arm()
        if free and token in self._stop_token_ids:
            # It becomes `stop_reason`, which may be a token, though the signature has no room for one.
            return self._inner.update([token], True) or token  # type: ignore[return-value]
        return self._inner.update([token], stop_terminated)

    def _may_skim(self) -> bool:
        """Whether nobody wants to see each of the next tokens before a mark comes."""
        choice = self.choice
        if self.step is not None or self.on_tokens is not None or choice.detail is not None:
            return False
        is_answer = choice.tracker.phase is Phase.ANSWER
        if (self._stop or self._stop_token_ids) if is_answer else self.truncate_at is not None:
            return False
        return choice.is_plain

    @property
    def _text(self) -> str:
        return getattr(self._inner, "output_text", "")

    def _arm(self) -> None:
        self._armed = True
        inner = self._inner
        if self._stop and isinstance(inner, BaseIncrementalDetokenizer):
            inner.stop = self._stop
            if not inner.include_stop_str_in_output:
                inner.stop_buffer_length = max(len(stop) for stop in self._stop) - 1
