"""A chain of thinking that a method builds step by step within the client's budget, and its answer."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from server.budget.budget import UNLIMITED, ThinkingBudget, TokenIds
from server.budget.planning.make_plan import DEFAULT_ANSWER_RESERVE_TOKENS
from server.budget.running.step import Step
from server.reasoning.ends import End
from server.scaling.samples import Ask, AskKind, Sample, SampleSource
from server.scaling.scorers.scorer import Scorable


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain of thinking so far.

    `tokens` include the family's marks; `thinking_tokens` does not count them. `end` says why the chain
    cannot grow, and is None while it can.
    """

    tokens: TokenIds = ()
    steps: tuple[str, ...] = ()
    thinking_tokens: int = 0
    end: str | None = None
    is_closed: bool = False
    """Whether it ends with the end-of-thinking tokens."""
    logprobs: tuple[float, ...] = ()
    """Log probabilities of the last step's sampled tokens, in nats."""
    alternatives: tuple[Mapping[int, float], ...] = ()
    """Log probabilities of the likeliest tokens at each position of the last step, by token id."""
    waits: int = 0
    """Number of times the end of thinking was replaced by a nudge."""
    forced_tokens: int = 0
    """Tokens that the model did not write, such as nudges; `steps` include them."""
    written: int = 0
    """Completion tokens so far; within the current context window the same as len(tokens)."""

    @property
    def scorable(self) -> Scorable:
        """The chain as scorers see it."""
        return Scorable(self.steps, self.logprobs, is_ended=self.is_closed)


class ChainBuilder:
    """Grows and answers the chains of one request."""

    def __init__(self, source: SampleSource) -> None:
        self._source = source
        budget, limit = source.budget, source.max_completion_tokens
        self._max_tokens = UNLIMITED if budget.max_tokens is None else budget.max_tokens
        closing = len(source.marks.closed((), budget))
        if budget.end_message is None and limit is not None and closing >= limit:
            # As in one piece: no cue where no token of an answer would fit after it.
            budget = replace(budget, end_message="")
            closing = len(source.marks.closed((), budget))
        self._end_message = budget.end_message
        reserve = budget.answer_reserve_tokens
        if reserve is None:
            reserve = DEFAULT_ANSWER_RESERVE_TOKENS
            reserve = reserve if limit is None else min(reserve, max(0, limit - closing) // 2)
        self.reserve = reserve + closing
        """Tokens reserved for closing the thinking and for the answer."""

    async def grow(self, chain: Chain, step: Step, logprobs: int | None = None) -> Chain:
        """Ask for one more step, cut to what the budget leaves."""
        left, completion_left = self._left(chain), self._completion_left(chain)
        if left == 0:
            return replace(chain, end=End.MAX_TOKENS.value)
        if completion_left is not None and completion_left <= self.reserve:
            return replace(chain, end=End.CONTEXT.value)
        max_tokens = step.max_tokens if left is None else min(left, step.max_tokens or left)
        ask = Ask(
            AskKind.STEP,
            prefix=chain.tokens,
            step=replace(step, max_tokens=max_tokens, reserve=max(step.reserve, self.reserve)),
            # The maximum over the whole chain is enforced here, not by the engine.
            budget=replace(self._budget_of_piece(chain), max_tokens=UNLIMITED),
            max_completion_tokens=completion_left,
            logprobs=logprobs,
        )
        return self._grown(chain, await self._source.ask(ask))

    def may_wait(self, chain: Chain) -> bool:
        """Whether thinking has ended by itself, and a Wait is left to replace the end."""
        by_itself = chain.end in (End.NATURAL.value, End.END_OF_SEQUENCE.value)
        return by_itself and chain.waits < (self._source.budget.num_waits or 0)

    def opened(self, chain: Chain) -> Chain:
        """The chain without its end-of-thinking tokens."""
        if not chain.is_closed:
            return chain
        delimiter = self._source.marks.delimiter_of(chain.tokens)
        written = chain.written - delimiter
        return replace(chain, tokens=chain.tokens[:-delimiter], written=written, is_closed=False, end=None)

    def nudged(self, chain: Chain) -> Chain:
        """The chain with its end-of-thinking tokens replaced by the nudge, which counts as thinking."""
        marks = self._source.marks
        nudges = self._source.budget.nudge or (marks.family.family.nudge,)
        nudged = self.forced(self.opened(chain), nudges[chain.waits % len(nudges)])
        return replace(nudged, waits=chain.waits + 1)

    def forced(self, chain: Chain, text: str) -> Chain:
        """The chain with text appended that the model did not write.

        The text counts as thinking and is cut at the budget's maximum.
        """
        marks = self._source.marks
        tokens = marks.encode(text)[: self._left(chain)]
        return replace(
            chain,
            tokens=(*chain.tokens, *tokens),
            steps=(*chain.steps, marks.text_of(tokens)),
            thinking_tokens=chain.thinking_tokens + len(tokens),
            forced_tokens=chain.forced_tokens + len(tokens),
            written=chain.written + len(tokens),
        )

    def has_room(self, chain: Chain, tokens: int) -> bool:
        """Whether `tokens` + 1 more thinking tokens fit the budget's maximum and max_completion_tokens."""
        left, completion_left = self._left(chain), self._completion_left(chain)
        fits = completion_left is None or completion_left - self.reserve > tokens
        return fits and (left is None or left > tokens)

    def _grown(self, chain: Chain, got: Sample) -> Chain:
        grown = replace(
            chain,
            tokens=(*chain.tokens, *got.tokens),
            steps=(*chain.steps, self._source.marks.text_of(got.tokens)),
            thinking_tokens=chain.thinking_tokens + got.thinking_tokens,
            is_closed=got.is_ended,
            forced_tokens=chain.forced_tokens + (got.report.forced_tokens if got.report else 0),
            written=chain.written + len(got.tokens),
            logprobs=got.logprobs,
            alternatives=got.alternatives,
        )
        if got.is_ended:
            return replace(grown, end=got.end)
        if self._left(grown) == 0:
            return replace(grown, end=End.MAX_TOKENS.value)
        return replace(grown, end=End.CONTEXT.value) if got.is_cramped else grown

    async def answer(self, chain: Chain, end: str = End.MAX_TOKENS.value) -> Sample:
        """Ask for the answer after a chain; an open chain is closed first.

        `end` is the reported reason for the end of thinking if the chain itself has none.
        """
        source = self._source
        budget, piece_budget = source.budget, self._budget_of_piece(chain)
        got = await source.ask(
            Ask(
                AskKind.ANSWER,
                prefix=chain.tokens,
                budget=piece_budget if chain.is_closed else replace(piece_budget, max_tokens=0),
                max_completion_tokens=self._completion_left(chain),
            )
        )
        report = got.report
        if report is not None:
            report = replace(
                report,
                tokens=chain.thinking_tokens,
                max_tokens=self._max_tokens,
                num_waits=budget.num_waits or 0,
                waits_used=chain.waits,
                forced_tokens=report.forced_tokens + chain.forced_tokens,
                end=chain.end or end,
            )
        thinking = source.marks.text_of(chain.tokens)
        return replace(got, thinking=thinking, thinking_tokens=chain.thinking_tokens, report=report)

    def _budget_of_piece(self, chain: Chain) -> ThinkingBudget:
        """The part of the client's budget that applies to each piece of the chain by itself.

        The answer reserve belongs to the whole chain: only the first piece checks that there is room for it.
        """
        own = self._source.budget
        reserve = None if chain.tokens else own.answer_reserve_tokens
        return ThinkingBudget(
            suppress=own.suppress, end_message=self._end_message, answer_reserve_tokens=reserve
        )

    def _left(self, chain: Chain) -> int | None:
        """Thinking tokens left of the budget's maximum; None: unlimited."""
        return None if self._max_tokens == UNLIMITED else max(0, self._max_tokens - chain.thinking_tokens)

    def _completion_left(self, chain: Chain) -> int | None:
        """Tokens left of the client's max_completion_tokens, which covers thinking and answer."""
        limit = self._source.max_completion_tokens
        return None if limit is None else max(1, limit - chain.written)
