"""vLLM's trace spans, with thinking counts by OpenTelemetry's GenAI conventions.

vLLM creates a request's span when its last token is out, before the worker's forced record has come: so the
creation waits for the record of the ended choice.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from functools import partial
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from vllm.v1.engine.output_processor import OutputProcessor, RequestState

from server.engine.client.detokenizer import AnswerStopDetokenizer
from server.observability.record import ChoiceRecord

Attributes = Mapping[str, str | int]

_ATTRIBUTES: ContextVar[Attributes | None] = ContextVar("s1_span_attributes", default=None)
"""Of the span that is being made: vLLM makes it somewhere below."""


class ThinkingTraceSpans:
    """Wraps an output processor's `do_tracing`. Create one, once vLLM has set up its tracer."""

    def __init__(self, output_processor: OutputProcessor) -> None:
        self._make = output_processor.do_tracing
        output_processor.do_tracing = self._keep
        provider = trace.get_tracer_provider()
        if isinstance(provider, TracerProvider):
            provider.add_span_processor(_AddAttributes())

    def _keep(self, output: Any, state: RequestState, stats: Any) -> None:
        make = partial(self._make, output, state, stats)
        if isinstance(state.detokenizer, AnswerStopDetokenizer):
            state.detokenizer.choice.also_tell = partial(_make_with_attributes, make)
        else:
            make()


class _AddAttributes(SpanProcessor):
    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        del parent_context
        if (attributes := _ATTRIBUTES.get()) is not None:
            span.set_attributes(attributes)


def attributes_of(ended: ChoiceRecord) -> Attributes:
    """The attributes of a span: the conventions' names, and `s1.` where they have none."""
    thinking = ended.thinking
    return {
        "gen_ai.response.model": ended.model,
        "gen_ai.usage.output_tokens": thinking.tokens + ended.answer_tokens,
        "gen_ai.usage.reasoning.output_tokens": thinking.tokens,
        "s1.thinking.end": ended.end,
        "s1.thinking.max_tokens": thinking.max_tokens,
        "s1.thinking.min_tokens": thinking.min_tokens,
        "s1.thinking.waits_used": thinking.waits_used,
        "s1.thinking.forced_tokens": thinking.forced_tokens,
    }


def _make_with_attributes(make: partial[None], ended: ChoiceRecord) -> None:
    token = _ATTRIBUTES.set(attributes_of(ended))
    try:
        make()
    finally:
        _ATTRIBUTES.reset(token)
