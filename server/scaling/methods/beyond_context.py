"""Thinking past the context window: near its end the model writes a summary and continues in a fresh window.

The summary is written in the old window, after the thinking, so that its prefix cache is reused.
"""

from dataclasses import replace

from pydantic import Field

from server.budget.running.step import Step
from server.reasoning.ends import End
from server.scaling.chain import Chain, ChainBuilder
from server.scaling.method import Fields, Method, MethodContext, MethodResult

SUM_UP = (
    "\n\nI am running out of room. Let me sum up what I have established so far and what is left to do.\n"
)
GO_ON = "\nThis is what I have established so far and what is left to do.\n"


class BeyondContextFields(Fields):
    """At most `rounds` windows, with summaries of up to `summary_tokens` tokens.

    `window` starts a summary after that many thinking tokens; without it, the context window decides.
    """

    rounds: int = Field(default=4, ge=1, le=64)
    summary_tokens: int = Field(default=512, ge=1)
    window: int | None = Field(default=None, ge=1)


async def beyond_context(fields: BeyondContextFields, context: MethodContext) -> MethodResult:
    """Think through up to `rounds` windows, then answer in the last one."""
    builder, encode = ChainBuilder(context.source), context.source.marks.encode
    summary_room = len(encode(SUM_UP)) + fields.summary_tokens
    step = Step(max_tokens=fields.window, reserve=builder.reserve + summary_room)
    chain, rounds = await builder.grow(Chain(), step), 1
    window_tokens = chain.thinking_tokens
    while _goes_on(chain, window_tokens) and rounds < fields.rounds and builder.has_room(chain, summary_room):
        fresh = await _summarised(chain, builder, fields.summary_tokens, context)
        chain = await builder.grow(fresh, step)
        window_tokens, rounds = chain.thinking_tokens - fresh.thinking_tokens, rounds + 1
        context.report_progress(
            {"round": rounds, "thinking_tokens": chain.thinking_tokens, "thinking": "".join(chain.steps)}
        )
    answer = await builder.answer(chain, End.CONTEXT.value)
    return MethodResult(replace(answer, thinking="".join(chain.steps)), {"rounds": rounds})


def _goes_on(chain: Chain, window_tokens: int) -> bool:
    """Whether to start another window; not if this one had no room for more than the summary."""
    return chain.end is None or (chain.end == End.CONTEXT.value and window_tokens > 1)


async def _summarised(chain: Chain, builder: ChainBuilder, max_tokens: int, context: MethodContext) -> Chain:
    """A chain in a fresh window that begins with the summary; the thinking so far still counts."""
    asked = builder.forced(chain, SUM_UP)
    summarised = builder.opened(await builder.grow(replace(asked, end=None), Step(max_tokens=max_tokens)))
    summary = summarised.steps[-1] if len(summarised.steps) > len(asked.steps) else ""
    marks = context.source.marks
    return replace(summarised, tokens=marks.reopened(chain.tokens, f"{GO_ON}{summary.strip()}\n"), end=None)


BEYOND_CONTEXT = Method(BeyondContextFields, beyond_context, needs_thinking=True, in_pieces=True)
