"""Thinking past the context window: where it nears the window's end the model sums up what it has, and
goes on from that in a fresh window.

The sum is written where the thinking stands, so that what the window holds is not computed again.
"""

from dataclasses import replace

from pydantic import Field

from server.budget.running.step import Step
from server.reasoning.ends import End
from server.scaling.chain import Chain, ChainBuilder
from server.scaling.method import Fields, Means, Method, Outcome

SUM_UP = (
    "\n\nI am running out of room. Let me sum up what I have established so far and what is left to do.\n"
)
GO_ON = "\nThis is what I have established so far and what is left to do.\n"


class BeyondContextFields(Fields):
    """At most `rounds` windows; a sum has up to `summary_tokens`. `window`: sum up after so many thinking
    tokens already."""

    rounds: int = Field(default=4, ge=1, le=64)
    summary_tokens: int = Field(default=512, ge=1)
    window: int | None = Field(default=None, ge=1)


async def beyond_context(fields: BeyondContextFields, means: Means) -> Outcome:
    builder, encode = ChainBuilder(means.source), means.source.marks.encode
    sum_tokens = len(encode(SUM_UP)) + fields.summary_tokens
    step = Step(max_tokens=fields.window, reserve=builder.reserve + sum_tokens)
    chain, rounds = await builder.grow(Chain(), step), 1
    thought = chain.thinking_tokens
    while _goes_on(chain, thought) and rounds < fields.rounds and builder.has_room(chain, sum_tokens):
        begun = await _summed_up(chain, builder, fields.summary_tokens, means)
        chain = await builder.grow(begun, step)
        thought, rounds = chain.thinking_tokens - begun.thinking_tokens, rounds + 1
        means.tell(
            {"round": rounds, "thinking_tokens": chain.thinking_tokens, "thinking": "".join(chain.steps)}
        )
    answer = await builder.answer(chain, End.CONTEXT.value)
    return Outcome(replace(answer, thinking="".join(chain.steps)), {"rounds": rounds})


def _goes_on(chain: Chain, thought: int) -> bool:
    """Not where a window is full with its first token: it has no room for more than a sum."""
    return chain.end is None or (chain.end == End.CONTEXT.value and thought > 1)


async def _summed_up(chain: Chain, builder: ChainBuilder, max_tokens: int, means: Means) -> Chain:
    """A chain in a fresh window, with the sum at its beginning; the thinking so far still counts."""
    asked = builder.forced(chain, SUM_UP)
    summed = builder.opened(await builder.grow(replace(asked, end=None), Step(max_tokens=max_tokens)))
    summary = summed.steps[-1] if len(summed.steps) > len(asked.steps) else ""
    marks = means.source.marks
    return replace(summed, tokens=marks.reopened(chain.tokens, f"{GO_ON}{summary.strip()}\n"), end=None)


BEYOND_CONTEXT = Method(BeyondContextFields, beyond_context, needs_thinking=True, in_pieces=True)
