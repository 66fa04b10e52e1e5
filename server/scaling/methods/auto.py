"""Stop thinking when the answer has settled: probe at sentence ends; probe tokens are billed.

The num_waits of the client's budget apply only while the answer has not settled: an end of thinking is then
replaced by the nudge.
"""

from typing import Literal

from pydantic import Field

from server.budget.running.step import Step
from server.scaling.chain import Chain, ChainBuilder
from server.scaling.method import Fields, Method, MethodContext, MethodResult
from server.scaling.probes import Entropy, Margin, Probe, Trial

SETTLED = "settled"
SENTENCE_ENDS = ("\n", ".", "?", "!", "。", "！", "？")
MAX_SENTENCE_TOKENS = 512
"""Tokens after which a probe is made even without a sentence end."""


class AutoFields(Fields):
    """A probe is made at the first sentence end after `every` tokens.

    The default is 64; with probe "margin" every sentence end is probed, as in ThinkBrake.

    `patience` is the number of equal trial answers in a row that settle the answer (probe "trial");
    `variance` is the entropy variance below which it has settled (probe "entropy"); `margin` is the distance
    in nats from the likeliest next token within which the end of thinking is taken (probe "margin"; the
    default is that of ThinkBrake's README).
    """

    probe: Literal["trial", "entropy", "margin"] = "trial"
    every: int | None = Field(default=None, ge=1, le=1 << 20)
    patience: int = Field(default=3, ge=1)
    variance: float = Field(default=1e-4, gt=0)
    margin: float = Field(default=1.0, ge=0, allow_inf_nan=False)

    @property
    def spacing(self) -> int:
        """Minimum number of tokens between two probes."""
        return self.every or (1 if self.probe == "margin" else 64)


async def auto(fields: AutoFields, context: MethodContext) -> MethodResult:
    """Grow one chain until the probe finds the answer settled or thinking ends, then answer."""
    builder, probe = ChainBuilder(context.source), _probe(fields, context)
    step = Step(SENTENCE_ENDS, min_tokens=fields.spacing, max_tokens=fields.spacing + MAX_SENTENCE_TOKENS)
    chain, probes = Chain(), 0
    while True:
        chain = await builder.grow(chain, step)
        if chain.end is not None and not builder.may_wait(chain):
            break
        probes += 1
        if await probe.has_settled(builder.opened(chain).tokens):
            break
        if builder.may_wait(chain):
            chain = builder.nudged(chain)
        context.report_progress(
            {"thinking_tokens": chain.thinking_tokens, "probes": probes, "thinking": "".join(chain.steps)}
        )
    answer = await builder.answer(chain, SETTLED)
    return MethodResult(answer, {"probe": fields.probe, "probes": probes})


def _probe(fields: AutoFields, context: MethodContext) -> Probe:
    if fields.probe == "entropy":
        return Entropy(context.source, fields.variance)
    if fields.probe == "margin":
        return Margin(context.source, fields.margin)
    return Trial(context.source, context.equality, fields.patience)


AUTO = Method(AutoFields, auto, needs_thinking=True, in_pieces=True, takes_waits=True)
