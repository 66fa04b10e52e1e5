"""Thinking that stops when the answer has settled: probes at sentence ends, whose tokens count like all.

Waits of the client's budget act only while the answer has not settled: an end of thinking is then replaced by
the nudge.
"""

from typing import Literal

from pydantic import Field

from server.budget.running.step import Step
from server.scaling.chain import Chain, ChainBuilder
from server.scaling.method import Fields, Means, Method, Outcome
from server.scaling.probes import Entropy, Probe, Trial

SETTLED = "settled"
SENTENCE_ENDS = ("\n", ".", "?", "!", "。", "！", "？")
LONGEST_SENTENCE = 512
"""Tokens after which a probe does not wait for a sentence's end any more."""


class AutoFields(Fields):
    """A probe at the first sentence end behind `every` tokens. `patience`: so many trial answers in a row
    must be the same; `variance`: below this the entropy stands still."""

    probe: Literal["trial", "entropy"] = "trial"
    every: int = Field(default=64, ge=1)
    patience: int = Field(default=3, ge=1)
    variance: float = Field(default=1e-4, gt=0)


async def auto(fields: AutoFields, means: Means) -> Outcome:
    builder, probe = ChainBuilder(means.source), _probe(fields, means)
    step = Step(SENTENCE_ENDS, min_tokens=fields.every, max_tokens=fields.every + LONGEST_SENTENCE)
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
        means.tell(
            {"thinking_tokens": chain.thinking_tokens, "probes": probes, "thinking": "".join(chain.steps)}
        )
    answer = await builder.answer(chain, SETTLED)
    return Outcome(answer, {"probe": fields.probe, "probes": probes})


def _probe(fields: AutoFields, means: Means) -> Probe:
    if fields.probe == "entropy":
        return Entropy(means.source, fields.variance)
    return Trial(means.source, means.equality, fields.patience)


AUTO = Method(AutoFields, auto, needs_thinking=True, in_pieces=True, takes_waits=True)
