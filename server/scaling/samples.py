"""How a method asks the model for one sample, or one piece of a sample.

Defines the questions and the results; server/api/scaling sends them to the model.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from server.budget.budget import ThinkingBudget, TokenIds
from server.budget.running.report import ThinkingReport
from server.budget.running.step import Step
from server.budget.running.tracker import ThinkingTracker
from server.reasoning.ends import End
from server.scaling.marks import Marks

T = TypeVar("T")
OnTokens = Callable[[ThinkingTracker], None]
"""Called with the tracker as a sample's tokens arrive; must be fast and must not raise."""


class AskKind(StrEnum):
    """What an ask is for."""

    SAMPLE = "sample"
    """Thinking and answer."""
    STEP = "step"
    """A piece of thinking."""
    PROBE = "probe"
    """The answer the model would give now; discarded."""
    ANSWER = "answer"
    """The answer after thinking that was asked for in steps."""


@dataclass(frozen=True, slots=True)
class Ask:
    """How an ask differs from the client's request; None means: as in the client's request."""

    kind: AskKind = AskKind.SAMPLE
    prefix: TokenIds = ()
    """Token ids appended to the prompt: the thinking so far, with its marks."""
    step: Step | None = None
    stop: tuple[str, ...] = ()
    """Stop strings of the answer; (): those of the client."""
    budget: ThinkingBudget | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    logprobs: int | None = None
    """0: of the sampled tokens; k: also of the k most likely tokens per position."""
    words: str = ""
    """Appended to the last user message after a blank line."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The result of an ask. All counts are tokens.

    `completion_tokens` includes marks and cue, `thinking_tokens` does not.
    """

    index: int
    """Number of the ask within the request, from 0."""
    thinking: str
    answer: str
    thinking_tokens: int
    completion_tokens: int
    prompt_tokens: int
    """Including the prefix."""
    finish_reason: str | None
    report: ThinkingReport | None
    """None if the model's family is unknown."""
    tokens: TokenIds = ()
    is_ended: bool = False
    """For a step: thinking ended naturally in it; `tokens` include the end mark."""
    is_cramped: bool = False
    """For a step: it was cut because only the reserved tokens are left."""
    logprobs: tuple[float, ...] = ()
    """Log probabilities in nats of the sampled (not forced) tokens."""
    alternatives: tuple[Mapping[int, float], ...] = ()
    """The log probabilities of the likeliest tokens at each position by token id, highest first."""
    response: Any = None
    """The parsed HTTP response; used by server/api/scaling only."""

    @property
    def end(self) -> str | None:
        """Why thinking ended; None if the model's family is unknown."""
        return self.report.end if self.report else None

    @property
    def is_ended_from_outside(self) -> bool:
        """Whether the key's quota or a control request ended the thinking; both affect later asks, too."""
        return self.end in (End.QUOTA, End.REQUESTED)


class SampleSource(Protocol):
    """One client's request, which can be asked any number of times."""

    @property
    def budget(self) -> ThinkingBudget:
        """The client's budget, after defaults and ceiling."""

    @property
    def max_completion_tokens(self) -> int | None:
        """The client's max_completion_tokens."""

    @property
    def marks(self) -> Marks:
        """The marks of the model's family; needed by methods that ask in pieces."""

    async def ask(self, ask: Ask, on_tokens: OnTokens | None = None) -> Sample:
        """Ask once; `on_tokens` is called as tokens arrive.

        When cancelled, the ask is aborted in the engine; its tokens still count in the usage.

        Raises:
            SampleError: The server refused the ask, or failed to answer it.
        """


class SampleError(Exception):
    """An ask that the server refused or failed to answer; `response` is the HTTP response, if any."""

    def __init__(self, message: str, response: Any = None) -> None:
        super().__init__(message)
        self.response = response


async def together(asks: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run all asks concurrently; results in order. On a failure the others are cancelled and it is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(ask) for ask in asks]
    except BaseExceptionGroup as group_of_errors:
        error: BaseException = group_of_errors
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None
    return [task.result() for task in tasks]


async def abortable(
    source: SampleSource, ask: Ask, is_lost: Callable[[ThinkingTracker], bool]
) -> Sample | None:
    """Ask once, and abort as soon as `is_lost`: the sample, or None if it was aborted.

    Raises:
        asyncio.CancelledError: The caller was cancelled; the ask is aborted, too.
        SampleError: As SampleSource.ask.
    """
    lost = False

    def watch(tracker: ThinkingTracker) -> None:
        nonlocal lost
        if not lost and is_lost(tracker):
            lost = True
            task.cancel()

    task = asyncio.ensure_future(source.ask(ask, watch))
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait({task})
        raise
    return None if lost else task.result()
