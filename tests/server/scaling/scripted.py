"""A SampleSource with scripted samples, for testing the methods without a model."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from server.budget.budget import ThinkingBudget, TokenIds
from server.budget.plan import FamilyTokens, Opening, Plan
from server.budget.running.report import ThinkingReport
from server.budget.running.tracker import ThinkingTracker
from server.reasoning.equality import Equality
from server.reasoning.families import FAMILIES
from server.reasoning.grading.pool import Verdict
from server.scaling.marks import Marks
from server.scaling.method import MethodContext
from server.scaling.samples import Ask, OnTokens, Sample
from server.scaling.usage import State, Usage

START, END = 900, 901
"""One token a character; these two are the marks."""
FAMILY = FamilyTokens(
    FAMILIES["think"], start=(START,), end=(END,), end_is_distinct=True, end_of_turn=(902,), tool_call=()
)
PLAN = Plan(Opening.OPEN, (START,), (END,), True, (902,))


def encode(text: str) -> TokenIds:
    return tuple(ord(character) for character in text)


def decode(tokens: Sequence[int]) -> str:
    marks = {START: "<think>", END: "</think>"}
    return "".join(marks.get(token) or chr(token) for token in tokens)


@dataclass(frozen=True, slots=True)
class Told:
    """The script of one ask.

    Its thinking takes `turns` turns of the event loop, one token each, its answer then `answer_turns`.
    """

    answer: str = ""
    thinking: str = ""
    turns: int | None = None
    answer_turns: int = 1
    end: str = "natural"
    is_ended: bool = False
    is_cramped: bool = False
    logprobs: tuple[float, ...] = ()
    alternatives: tuple[Mapping[int, float], ...] = ()
    error: Exception | None = None


@dataclass(slots=True)
class ScriptedSampler:
    """`tell` returns the script of an ask, from the ask and its index."""

    tell: Callable[[Ask, int], Told]
    budget: ThinkingBudget = field(default_factory=ThinkingBudget)
    usage: Usage = field(default_factory=Usage)
    asks: list[Ask] = field(default_factory=list)

    @property
    def max_completion_tokens(self) -> int | None:
        return None

    @property
    def marks(self) -> Marks:
        return Marks(FAMILY, encode, decode)

    async def ask(self, ask: Ask, on_tokens: OnTokens | None = None) -> Sample:
        entry = self.usage.open(ask.kind)
        self.asks.append(ask)
        told = self.tell(ask, entry.index)
        tracker = ThinkingTracker(PLAN)
        wanted = len(told.thinking) if told.turns is None else told.turns
        limit = (ask.budget or self.budget).max_tokens
        is_cut = limit not in (None, -1) and limit < wanted
        entry.state = State.ABORTED
        for _ in range(limit if is_cut and limit is not None else wanted):
            await self._turn(tracker, 7, on_tokens)
            entry.thinking_tokens = tracker.tokens
            entry.completion_tokens = tracker.position
        if told.error is not None:
            entry.state = State.FAILED
            raise told.error
        await self._turn(tracker, END, on_tokens)
        for _ in range(told.answer_turns):
            await self._turn(tracker, 8, on_tokens)
        entry.completion_tokens = tracker.position
        entry.state = State.DONE
        end = "max_tokens" if is_cut else told.end
        return Sample(
            index=entry.index,
            thinking=told.thinking,
            answer=told.answer,
            thinking_tokens=tracker.tokens,
            completion_tokens=tracker.position,
            prompt_tokens=1 + len(ask.prefix),
            finish_reason="stop",
            report=ThinkingReport(tracker.tokens, -1 if limit is None else limit, 0, 0, 0, 0, end),
            tokens=(*encode(told.thinking), *((END,) if told.is_ended else ())),
            is_ended=told.is_ended,
            is_cramped=told.is_cramped,
            logprobs=told.logprobs,
            alternatives=told.alternatives,
        )

    async def _turn(self, tracker: ThinkingTracker, token: int, on_tokens: OnTokens | None) -> None:
        await asyncio.sleep(0)
        tracker.feed(token)
        if on_tokens is not None:
            on_tokens(tracker)


def answers(*said: str, thinking_tokens: int = 5) -> ScriptedSampler:
    """A source whose samples have these answers, in order."""
    return ScriptedSampler(lambda _, index: Told(f"Final Answer: {said[index]}", turns=thinking_tokens))


class NoJudge:
    """A judge that must not be asked."""

    async def equal(self, gold: str, predicted: str, /) -> Verdict:
        raise AssertionError(f"asked whether {gold!r} is {predicted!r}")


def context(source: ScriptedSampler, max_samples: int = 64) -> MethodContext:
    return MethodContext(source, Equality(NoJudge()), max_samples)
