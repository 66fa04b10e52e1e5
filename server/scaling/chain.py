"""A line of thinking that a method builds step by step, under the client's budget, and how it is answered."""

from dataclasses import dataclass, replace

from server.budget.budget import UNLIMITED, ThinkingBudget, TokenIds
from server.budget.plan import End
from server.budget.planning.make_plan import DEFAULT_ANSWER_RESERVE_TOKENS
from server.budget.running.step import Step
from server.scaling.samples import Ask, Kind, Sample, Sampler


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
    forced_tokens: int = 0
    """Nudges and the like, which stand in the steps too."""
    written: int = 0
    """Tokens of completion: in this window as many as in `tokens`."""


class Lines:
    """Grows lines for one request."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        budget = sampler.budget
        self._most = UNLIMITED if budget.max_tokens is None else budget.max_tokens
        closing = len(sampler.marks.closed((), budget))
        reserve = budget.answer_reserve_tokens
        if reserve is None:
            most = sampler.max_completion_tokens
            reserve = DEFAULT_ANSWER_RESERVE_TOKENS
            reserve = reserve if most is None else min(reserve, max(0, most - closing) // 2)
        self.reserve = reserve + closing
        """Tokens kept for the close and the answer."""

    async def grow(self, line: Line, step: Step, logprobs: int | None = None) -> Line:
        """One step more, or as much of it as the budget leaves."""
        left, completion_left = self._left(line), self._completion_left(line)
        if left == 0:
            return replace(line, end=End.MAX_TOKENS.value)
        if completion_left is not None and completion_left <= self.reserve:
            return replace(line, end=End.CONTEXT.value)
        most = step.most if left is None else min(left, step.most or left)
        ask = Ask(
            Kind.STEP,
            prefix=line.tokens,
            step=replace(step, most=most, reserve=max(step.reserve, self.reserve)),
            # What the budget asks over the whole of a line is seen to here.
            budget=replace(self._of_a_piece(line), max_tokens=UNLIMITED),
            max_completion_tokens=completion_left,
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
        written = line.written - delimiter
        return replace(line, tokens=line.tokens[:-delimiter], written=written, is_closed=False, end=None)

    def nudged(self, line: Line) -> Line:
        """The line with the nudge in the place of its delimiter; the nudge counts as thinking."""
        marks = self._sampler.marks
        nudges = self._sampler.budget.nudge or (marks.family.family.nudge,)
        nudged = self.forced(self.opened(line), nudges[line.waits % len(nudges)])
        return replace(nudged, waits=line.waits + 1)

    def forced(self, line: Line, text: str) -> Line:
        """The line with a text that the model did not write; it counts as thinking, and the maximum cuts it
        off."""
        marks = self._sampler.marks
        tokens = marks.encode(text)[: self._left(line)]
        return replace(
            line,
            tokens=(*line.tokens, *tokens),
            steps=(*line.steps, marks.text_of(tokens)),
            thinking_tokens=line.thinking_tokens + len(tokens),
            forced_tokens=line.forced_tokens + len(tokens),
            written=line.written + len(tokens),
        )

    def has_room(self, line: Line, tokens: int) -> bool:
        """Whether so many tokens of thinking, and one more, fit into the client's maximum and into its
        max_completion_tokens."""
        left, completion_left = self._left(line), self._completion_left(line)
        fits = completion_left is None or completion_left - self.reserve > tokens
        return fits and (left is None or left > tokens)

    def _grown(self, line: Line, got: Sample) -> Line:
        grown = replace(
            line,
            tokens=(*line.tokens, *got.tokens),
            steps=(*line.steps, self._sampler.marks.text_of(got.tokens)),
            thinking_tokens=line.thinking_tokens + got.thinking_tokens,
            is_closed=got.is_ended,
            forced_tokens=line.forced_tokens + (got.report.forced_tokens if got.report else 0),
            written=line.written + len(got.tokens),
            logprobs=got.logprobs,
        )
        if got.is_ended:
            return replace(grown, end=got.end)
        if self._left(grown) == 0:
            return replace(grown, end=End.MAX_TOKENS.value)
        return replace(grown, end=End.CONTEXT.value) if got.is_cramped else grown

    async def answer(self, line: Line, end: str = End.MAX_TOKENS.value) -> Sample:
        """The answer behind a line; one that is open is closed first. `end`: why, if the line does not
        say."""
        sampler = self._sampler
        budget, piece = sampler.budget, self._of_a_piece(line)
        got = await sampler.ask(
            Ask(
                Kind.ANSWER,
                prefix=line.tokens,
                budget=piece if line.is_closed else replace(piece, max_tokens=0),
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
                forced_tokens=report.forced_tokens + line.forced_tokens,
                end=line.end or end,
            )
        thinking = sampler.marks.text_of(line.tokens)
        return replace(got, thinking=thinking, thinking_tokens=line.thinking_tokens, report=report)

    def _of_a_piece(self, line: Line) -> ThinkingBudget:
        """What of the client's budget each piece keeps by itself. The reserve is the line's: the first piece
        says whether there is room for it."""
        own = self._sampler.budget
        reserve = None if line.tokens else own.answer_reserve_tokens
        return ThinkingBudget(
            suppress=own.suppress, end_message=own.end_message, answer_reserve_tokens=reserve
        )

    def _left(self, line: Line) -> int | None:
        return None if self._most == UNLIMITED else max(0, self._most - line.thinking_tokens)

    def _completion_left(self, line: Line) -> int | None:
        """Of the client's max_completion_tokens, which covers thinking and answer."""
        most = self._sampler.max_completion_tokens
        return None if most is None else max(1, most - line.written)
