"""A sequence that the server itself requests (server/scaling): a whole sample, or a segment of its thinking.

What it needs of the engine beyond an ordinary call, and what it learns from it; it travels in the call.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from vllm.outputs import CompletionOutput

from server.budget.budget import BudgetError, TokenIds
from server.budget.plan import Opening, Plan
from server.budget.running.report import ForcedRecord
from server.budget.running.step import Step
from server.budget.running.tracker import ThinkingTracker
from server.engine.client.detokenizer import AnswerStopDetokenizer


@dataclass(frozen=True, slots=True)
class SegmentOutput:
    """What came out, in token ids.

    `logprobs`: of each token that the model sampled itself, forced ones left out. `alternatives`: at each
    position the logprobs of the top tokens by token id, highest first.
    """

    tokens: TokenIds
    logprobs: tuple[float, ...] = ()
    alternatives: tuple[Mapping[int, float], ...] = ()


@dataclass(slots=True)
class Segment:
    """`prefix` is appended to the prompt: the thinking so far, with its marks, in token ids."""

    prefix: TokenIds = ()
    step: Step | None = None
    """Where it ends, if it is a piece of thinking; nothing closes it then."""
    max_tokens: int | None = None
    """The maximum of output tokens; None: the request's own."""
    logprobs: int | None = None
    """How many alternatives to keep; 0: none, but each token's own logprob."""
    on_tokens: Callable[[ThinkingTracker], None] | None = None
    """Called after the tokens of each engine step."""
    response_id: str | None = None
    """Of the response that it will be a part of."""
    prompt_tokens: int = 0
    """The prefix included."""
    cached_tokens: int = 0
    """How many of them the prefix cache had."""
    tracker: ThinkingTracker | None = None
    """How far it has come; None before the engine has it."""
    output: SegmentOutput | None = None
    """Once it has finished."""

    def continue_prompt(self, prompt: Any) -> Any:
        """The prompt as it goes to the engine.

        Raises:
            ValueError: The prompt has no token ids.
        """
        ids = prompt.get("prompt_token_ids") if isinstance(prompt, dict) else None
        if ids is None:
            raise ValueError("scaling needs a prompt of tokens, not of embeddings")
        self.prompt_tokens = len(ids) + len(self.prefix)
        return {**prompt, "prompt_token_ids": [*ids, *self.prefix]} if self.prefix else prompt

    def lay_out(self, plan: Plan) -> Plan:
        """The plan of this segment: a step opens thinking if the prompt has not, and nothing closes it.

        Raises:
            BudgetError: Thinking is switched off, so it has no steps.
        """
        if self.step is None:
            return plan
        if plan.opening is Opening.CLOSED:
            raise BudgetError("scaling", "scaling: thinking is switched off, so there are no steps of it")
        opening = Opening.FORCE if plan.opening is Opening.AWAIT else plan.opening
        steering = replace(plan.steering, loop_rule=None)
        return replace(plan, opening=opening, close_at=plan.room, steering=steering)

    def begin(self, stops: AnswerStopDetokenizer) -> None:
        """It is about to be sent to the engine."""
        self.tracker = stops.choice.tracker
        stops.step, stops.on_tokens = self.step, self.on_tokens

    def finish(self, choice: CompletionOutput, record: ForcedRecord) -> None:
        """Keep what came out."""
        positions = list(_positions(choice)) if self.logprobs is not None else []
        self.output = SegmentOutput(
            tokens=tuple(choice.token_ids),
            logprobs=tuple(own for at, (own, _) in enumerate(positions) if at not in record.forced),
            alternatives=tuple(others for _, others in positions) if self.logprobs else (),
        )


def _positions(choice: CompletionOutput) -> Iterator[tuple[float, Mapping[int, float]]]:
    """Of each token its own logprob, and those of the likeliest."""
    for token, known in zip(choice.token_ids, choice.logprobs or (), strict=False):
        by_token = {each: found.logprob for each, found in known.items()}
        yield known[token].logprob, dict(sorted(by_token.items(), key=lambda pair: -pair[1]))
