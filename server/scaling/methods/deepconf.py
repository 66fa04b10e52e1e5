"""DeepConf: the most confident lines vote, weighted; with `warmup` the others are stopped early.

Fu et al. 2025, arXiv 2508.15260; defaults as in facebookresearch/deepconf.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from pydantic import Field, model_validator

from server.budget.running.step import Step
from server.reasoning.ends import End
from server.scaling.chain import Chain, ChainBuilder
from server.scaling.confidence import GroupConfidence, percentile
from server.scaling.method import Fields, Method, MethodContext, MethodResult
from server.scaling.samples import Sample, together
from server.scaling.vote import count, plurality, votes_report

TOP_LOGPROBS = 20
STOPPED = "stopped"


class DeepConfFields(Fields):
    """Of `n` lines the `keep` percent with the highest confidence vote.

    10 is the paper's "low", 90 its "high".
    `window` is the size of a group in tokens. With `warmup` so many lines are drawn whole; they set the
    threshold, and the rest is stopped where a group falls below it, looked at every `every` tokens.
    """

    n: int = Field(ge=1)
    keep: float = Field(default=90.0, gt=0, le=100)
    window: int = Field(default=2048, ge=1, le=1 << 20)
    warmup: int | None = Field(default=None, ge=1)
    every: int = Field(default=32, ge=1, le=1 << 20)

    @model_validator(mode="after")
    def _warmup_is_within_n(self) -> Self:
        if self.warmup is not None and self.warmup > self.n:
            raise ValueError(f"warmup ({self.warmup}) is above n ({self.n})")
        return self


@dataclass(frozen=True, slots=True)
class _Line:
    chain: Chain
    confidence: float
    is_stopped: bool = False

    def report(self) -> dict[str, Any]:
        return {
            "thinking_tokens": self.chain.thinking_tokens,
            "confidence": round(self.confidence, 6),
            "end": STOPPED if self.is_stopped else self.chain.end,
        }


async def deepconf(fields: DeepConfFields, context: MethodContext) -> MethodResult:
    """Draw lines, keep the confident ones, answer these and let them vote."""
    builder, warmup = ChainBuilder(context.source), fields.warmup or fields.n
    lines = await together(_whole(fields, builder) for _ in range(warmup))
    threshold = percentile([line.confidence for line in lines], 100 - fields.keep)
    if warmup < fields.n and not any(line.chain.end in (End.QUOTA, End.REQUESTED) for line in lines):
        context.report_progress({"lines": len(lines), "threshold": threshold})
        lines += await together(_watched(fields, builder, threshold) for _ in range(fields.n - warmup))
    voters = [line for line in lines if not line.is_stopped and line.confidence >= threshold]
    samples = await together(builder.answer(line.chain) for line in voters)
    weight = {sample.index: line.confidence for sample, line in zip(samples, voters, strict=True)}
    choices = await count(samples, context.equality, lambda sample: weight[sample.index])
    chosen = _best(plurality(choices).samples if choices else samples, weight)
    report = {
        "n": fields.n,
        "threshold": round(threshold, 6),
        "lines": [line.report() for line in lines],
        "votes": votes_report(choices),
    }
    return MethodResult(chosen, report)


def _best(samples: Sequence[Sample], weight: dict[int, float]) -> Sample:
    return max(samples, key=lambda sample: weight[sample.index])


async def _whole(fields: DeepConfFields, builder: ChainBuilder) -> _Line:
    """A line in one piece."""
    chain = await builder.grow(Chain(), Step(), TOP_LOGPROBS)
    group = GroupConfidence(fields.window, TOP_LOGPROBS)
    group.add(chain.alternatives)
    return _Line(chain, group.lowest)


async def _watched(fields: DeepConfFields, builder: ChainBuilder, threshold: float) -> _Line:
    """A line that is stopped where a group of it falls below the threshold."""
    group, chain = GroupConfidence(fields.window, TOP_LOGPROBS), Chain()
    while chain.end is None:
        chain = await builder.grow(chain, Step(max_tokens=fields.every), TOP_LOGPROBS)
        group.add(chain.alternatives)
        if group.lowest_whole < threshold:
            return _Line(chain, group.lowest, is_stopped=True)
    return _Line(chain, group.lowest)


DEEPCONF = Method(DeepConfFields, deepconf, draws=True, compares=True, needs_thinking=True, in_pieces=True)
