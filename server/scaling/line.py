"""A line of thinking that a method builds step by step, under the client's budget, and how it is answered."""

from dataclasses import dataclass, replace

from server.budget.budget import UNLIMITED
from server.budget.plan import DEFAULT_ANSWER_RESERVE_TOKENS, End, TokenIds
from server.budget.step import Step
from server.scaling.sampler import Ask, Kind, Sample, Sampler


@dataclass(frozen=True, slots=True)
class Line:
    """`tokens` have the marks, `thinking_tokens` don't count them. `end`: why no step can follow; None: one
    can."""

    tokens: TokenIds = ()
    steps: tuple[str, ...] = ()
    thinking_tokens: int = 0
    end: str | None = None
    is_closed: bool = False
    """The delimiter stands at its end."""
    logprobs: tuple[float, ...] = ()
    """Of the last step."""
    waits: int = 0
    """How many ends of thinking were replaced by the nudge."""
    nudge_tokens: int = 0


class Lines:
    """Grows lines for one request."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        budget = sampler.budget
        self._most = UNLIMITED if budget.max_tokens is None else budget.max_tokens
        reserve = budget.answer_reserve_tokens
        self._reserve = DEFAULT_ANSWER_RESERVE_TOKENS if reserve is None else reserve
        if sampler.max_completion_tokens is not None:
            self._reserve = min(self._reserve, sampler.max_completion_tokens // 2)

    async def grow(self, line: Line, step: Step, logprobs: int | None = None) -> Line:
        """One step more, or as much of it as the budget leaves."""
        left = self._left(line)
        if left == 0:
            return replace(line, end=End.MAX_TOKENS.value)
        most = step.most if left is None else min(left, step.most or left)
        ask = Ask(
            Kind.STEP,
            prefix=line.tokens,
            step=replace(step, most=most, reserve=max(step.reserve, self._reserve)),
            max_completion_tokens=self._completion_left(line),
            logprobs=logprobs,
        )
        return self._grown(line, await self._sampler.ask(ask))

    def may_wait(self, line: Line) -> bool:
        """Whether thinking has ended by itself, and a Wait is left to replace the end."""
        return line.end == End.NATURAL.value and line.waits < (self._sampler.budget.num_waits or 0)

    def opened(self, line: Line) -> Line:
        """The line without its delimiter."""
        if not line.is_closed:
            return line
        delimiter = len(self._sampler.marks.family.end)
        return replace(line, tokens=line.tokens[:-delimiter], is_closed=False, end=None)

    def nudged(self, line: Line) -> Line:
        """The line with the nudge in the place of its delimiter; the nudge counts as thinking."""
        marks = self._sampler.marks
        nudges = self._sampler.budget.nudge or (marks.family.family.nudge,)
        nudge = nudges[line.waits % len(nudges)]
        tokens = marks.encode(nudge)
        return replace(
            self.opened(line),
            tokens=(*self.opened(line).tokens, *tokens),
            steps=(*line.steps, nudge),
            thinking_tokens=line.thinking_tokens + len(tokens),
            waits=line.waits + 1,
            nudge_tokens=line.nudge_tokens + len(tokens),
        )

    def _grown(self, line: Line, got: Sample) -> Line:
        grown = replace(
            line,
            tokens=(*line.tokens, *got.tokens),
            steps=(*line.steps, self._sampler.marks.text_of(got.tokens)),
            thinking_tokens=line.thinking_tokens + got.thinking_tokens,
            is_closed=got.is_ended,
            logprobs=got.logprobs,
        )
        if got.is_ended:
            return replace(grown, end=got.end)
        if got.is_cramped:
            return replace(grown, end=End.CONTEXT.value)
        return replace(grown, end=End.MAX_TOKENS.value) if self._left(grown) == 0 else grown

    async def answer(self, line: Line, end: str = End.MAX_TOKENS.value) -> Sample:
        """The answer behind a line; one that is open is closed first. `end`: why, if the line does not
        say."""
        sampler = self._sampler
        budget = sampler.budget
        got = await sampler.ask(
            Ask(
                Kind.ANSWER,
                prefix=line.tokens,
                budget=budget if line.is_closed else replace(budget, max_tokens=0),
                max_completion_tokens=self._completion_left(line),
            )
        )
        report = got.report
        if report is not None:
            report = replace(
                report,
                tokens=line.thinking_tokens,
                max_tokens=self._most,
                num_waits=budget.num_waits or 0,
                waits_used=line.waits,
                forced_tokens=report.forced_tokens + line.nudge_tokens,
                end=line.end or end,
            )
        thinking = sampler.marks.text_of(line.tokens)
        return replace(got, thinking=thinking, thinking_tokens=line.thinking_tokens, report=report)

    def _left(self, line: Line) -> int | None:
        return None if self._most == UNLIMITED else max(0, self._most - line.thinking_tokens)

    def _completion_left(self, line: Line) -> int | None:
        """Of the client's max_completion_tokens, which covers thinking and answer."""
        most = self._sampler.max_completion_tokens
        return None if most is None else max(1, most - len(line.tokens))
