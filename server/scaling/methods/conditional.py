"""The paper's conditional control: the prompt says how much to think, in the paper's words; one sample.

A `thinking_budget.max_tokens` beside it is the paper's forced variant.
"""

from typing import Literal

from pydantic import Field

from server.reasoning.conditions import CLASS_WORDS, step_words, token_words
from server.scaling.method import Fields, Means, Method, Outcome
from server.scaling.samples import Ask, AskKind


class TokenFields(Fields):
    """How many `tokens` the prompt names."""

    tokens: int = Field(ge=1)


class StepFields(Fields):
    """How many `steps` the prompt names."""

    steps: int = Field(ge=1)


class ClassFields(Fields):
    """Which `length` of thinking the prompt asks for."""

    length: Literal["short", "long"]


async def token_conditional(fields: TokenFields, means: Means) -> Outcome:
    return await _with(token_words(fields.tokens), means)


async def step_conditional(fields: StepFields, means: Means) -> Outcome:
    return await _with(step_words(fields.steps), means)


async def class_conditional(fields: ClassFields, means: Means) -> Outcome:
    return await _with(CLASS_WORDS[fields.length], means)


async def _with(words: str, means: Means) -> Outcome:
    return Outcome(await means.source.ask(Ask(AskKind.SAMPLE, words=words)), {"words": words})


TOKEN_CONDITIONAL = Method(TokenFields, token_conditional)
STEP_CONDITIONAL = Method(StepFields, step_conditional)
CLASS_CONDITIONAL = Method(ClassFields, class_conditional)
