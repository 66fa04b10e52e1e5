"""The paper's conditional control: the prompt says how much to think, in the paper's words; one sample.

Combined with `thinking_budget.max_tokens` it is the paper's budget-forced variant.
"""

from typing import Literal

from pydantic import Field

from server.reasoning.conditions import CLASS_WORDS, step_words, token_words
from server.scaling.method import Fields, Method, MethodContext, MethodResult
from server.scaling.samples import Ask, AskKind


class TokenFields(Fields):
    """`tokens`: the number of thinking tokens that the prompt names."""

    tokens: int = Field(ge=1)


class StepFields(Fields):
    """`steps`: the number of steps that the prompt names."""

    steps: int = Field(ge=1)


class ClassFields(Fields):
    """`length`: the amount of thinking that the prompt asks for."""

    length: Literal["short", "long"]


async def token_conditional(fields: TokenFields, context: MethodContext) -> MethodResult:
    """One sample whose prompt names a number of tokens."""
    return await _with(token_words(fields.tokens), context)


async def step_conditional(fields: StepFields, context: MethodContext) -> MethodResult:
    """One sample whose prompt names a number of steps."""
    return await _with(step_words(fields.steps), context)


async def class_conditional(fields: ClassFields, context: MethodContext) -> MethodResult:
    """One sample whose prompt asks for a short or a long amount of thinking."""
    return await _with(CLASS_WORDS[fields.length], context)


async def _with(words: str, context: MethodContext) -> MethodResult:
    return MethodResult(await context.source.ask(Ask(AskKind.SAMPLE, words=words)), {"words": words})


TOKEN_CONDITIONAL = Method(TokenFields, token_conditional)
STEP_CONDITIONAL = Method(StepFields, step_conditional)
CLASS_CONDITIONAL = Method(ClassFields, class_conditional)
