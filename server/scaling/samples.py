"""How a method asks the model: one sample, or one piece of a sample, at a time.

Decided here: what can be asked and what comes back. How it reaches the model is the server's edge's affair.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
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
"""Called as a sample's tokens come, with how far it is; must be quick and must not raise."""


class AskKind(StrEnum):
    """What an ask is for."""

    SAMPLE = "sample"
    """Thinking and answer."""
    STEP = "step"
    """A piece of thinking."""
    PROBE = "probe"
    """A look at the answer as it would be now; thrown away."""
    ANSWER = "answer"
    """The answer behind thinking that was asked for in steps."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What differs from the client's own request; None is what the client said."""

    kind: AskKind = AskKind.SAMPLE
    prefix: TokenIds = ()
    """Behind the prompt: the thinking so far, with its marks."""
    step: Step | None = None
    stop: tuple[str, ...] = ()
    """Where the answer stops; () is as the client said."""
    budget: ThinkingBudget | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    logprobs: int | None = None
    """0: of the sampled tokens; k: also of the k likeliest at each position."""
    words: str = ""
    """Put behind the last user message, a blank line between."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What came back. Counts are tokens; `completion_tokens` has marks and cue, `thinking_tokens` not."""

    index: int
    """Which ask it was, from 0."""
    thinking: str
    answer: str
    thinking_tokens: int
    completion_tokens: int
    prompt_tokens: int
    """The prefix included."""
    finish_reason: str | None
    report: ThinkingReport | None
    """None: the model's family is unknown."""
    tokens: TokenIds = ()
    is_ended: bool = False
    """Of a step: thinking ended by itself in it; its delimiter is in `tokens`."""
    is_cramped: bool = False
    """Of a step: it came to the reserve."""
    logprobs: tuple[float, ...] = ()
    """Of the tokens that the model chose itself."""
    alternatives: tuple[tuple[float, ...], ...] = ()
    response: Any = None
    """The edge's own: the whole response that it was."""

    @property
    def end(self) -> str | None:
        """Why thinking ended."""
        return self.report.end if self.report else None

    @property
    def is_ended_from_outside(self) -> bool:
        """By its key's quota or a control request, both of which end what comes behind it, too."""
        return self.end in (End.QUOTA, End.REQUESTED)


class SampleSource(Protocol):
    """One client's request, ready to be asked any number of times."""

    @property
    def budget(self) -> ThinkingBudget:
        """The client's, after defaults and ceiling."""

    @property
    def max_completion_tokens(self) -> int | None:
        """The client's."""

    @property
    def marks(self) -> Marks:
        """Of the model's family; methods that work in pieces need them."""

    async def ask(self, ask: Ask, on_tokens: OnTokens | None = None) -> Sample:
        """Cancelled, it is aborted in the engine; its tokens stay in the usage. Raises SampleError."""


class SampleError(Exception):
    """An ask that the server itself refused or failed at; `response` is the edge's own."""

    def __init__(self, message: str, response: Any = None) -> None:
        super().__init__(message)
        self.response = response


async def together(asks: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """All at once, in order. When one fails the others are cancelled, and its error is raised."""
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
    """The sample, or None: it was aborted as soon as it was lost."""
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
