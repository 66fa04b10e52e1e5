"""Thinking past the context window: where it nears the window's end the model sums up what it has, and
goes on from that in a fresh window.

The sum is written where the thinking stands, so that what the window holds is not computed again.
"""

from dataclasses import replace

from pydantic import Field

from server.budget.plan import End
from server.budget.running.step import Step
from server.scaling.chain import Line, Lines
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
    lines, encode = Lines(means.sampler), means.sampler.marks.encode
    sum_tokens = len(encode(SUM_UP)) + fields.summary_tokens
    step = Step(most=fields.window, reserve=lines.reserve + sum_tokens)
    line, rounds = await lines.grow(Line(), step), 1
    thought = line.thinking_tokens
    while _goes_on(line, thought) and rounds < fields.rounds and lines.has_room(line, sum_tokens):
        begun = await _summed_up(line, lines, fields.summary_tokens, means)
        line = await lines.grow(begun, step)
        thought, rounds = line.thinking_tokens - begun.thinking_tokens, rounds + 1
        means.tell(
            {"round": rounds, "thinking_tokens": line.thinking_tokens, "thinking": "".join(line.steps)}
        )
    answer = await lines.answer(line, End.CONTEXT.value)
    return Outcome(replace(answer, thinking="".join(line.steps)), {"rounds": rounds})


def _goes_on(line: Line, thought: int) -> bool:
    """Not where a window is full with its first token: it has no room for more than a sum."""
    return line.end is None or (line.end == End.CONTEXT.value and thought > 1)


async def _summed_up(line: Line, lines: Lines, most: int, means: Means) -> Line:
    """A line in a fresh window, with the sum at its beginning; the thinking so far still counts."""
    asked = lines.forced(line, SUM_UP)
    summed = lines.opened(await lines.grow(replace(asked, end=None), Step(most=most)))
    summary = summed.steps[-1] if len(summed.steps) > len(asked.steps) else ""
    marks = means.sampler.marks
    return replace(summed, tokens=marks.reopened(line.tokens, f"{GO_ON}{summary.strip()}\n"), end=None)


BEYOND_CONTEXT = Method(BeyondContextFields, beyond_context, needs_thinking=True, in_pieces=True)
