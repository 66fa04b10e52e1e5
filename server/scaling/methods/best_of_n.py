"""Best of n: draw n samples at once and return the one with the highest score; ties go to the first."""

from pydantic import Field

from server.scaling.method import Fields, Method, MethodContext, MethodResult
from server.scaling.samples import Ask, AskKind, Sample, together
from server.scaling.scorers.scorer import Scorable, scorer_report
from server.scaling.share import equal_shares


class BestOfNFields(Fields):
    """`scorer` names a scorer of the server, or "likelihood"; optional if the server has exactly one."""

    n: int = Field(ge=1)
    scorer: str | None = None
    total_tokens: int | None = Field(default=None, ge=1)


async def best_of_n(fields: BestOfNFields, context: MethodContext) -> MethodResult:
    """Draw, score, choose.

    Raises:
        BudgetError: `total_tokens` is too small for n samples.
        ScorerError: The scorer failed.
    """
    scorer = context.scorer
    assert scorer is not None
    shares = equal_shares(context.source.budget, fields.n, fields.total_tokens)
    logprobs = 0 if scorer.wants_logprobs else None
    asks = [Ask(AskKind.SAMPLE, budget=share, logprobs=logprobs) for share in shares]
    samples = await together(context.source.ask(ask) for ask in asks)
    scores = await scorer.score([_scorable(sample) for sample in samples])
    best = max(range(len(samples)), key=scores.__getitem__)
    report = {"n": fields.n, "scorer": scorer_report(scorer), "scores": scores, "chosen": samples[best].index}
    return MethodResult(samples[best], report)


def _scorable(sample: Sample) -> Scorable:
    steps = (sample.thinking,) if sample.thinking else ()
    return Scorable(steps, sample.logprobs, is_ended=bool(sample.answer), answer=sample.answer)


BEST_OF_N = Method(BestOfNFields, best_of_n, draws=True, scores=True)
