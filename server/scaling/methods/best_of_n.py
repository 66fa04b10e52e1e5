"""Best of n: n samples at once, the one that a scorer likes best; of equals the first."""

from pydantic import Field

from server.scaling.method import Fields, Means, Method, Outcome
from server.scaling.samples import Ask, AskKind, together
from server.scaling.scorers.scorer import Candidate, said
from server.scaling.share import equal_shares


class BestOfNFields(Fields):
    """`scorer`: one of the server's, or "likelihood"; not needed where the server has just one."""

    n: int = Field(ge=1)
    scorer: str | None = None
    total_tokens: int | None = Field(default=None, ge=1)


async def best_of_n(fields: BestOfNFields, means: Means) -> Outcome:
    scorer = means.scorer
    assert scorer is not None
    shares = equal_shares(means.source.budget, fields.n, fields.total_tokens)
    logprobs = 0 if scorer.wants_logprobs else None
    asks = [Ask(AskKind.SAMPLE, budget=share, logprobs=logprobs) for share in shares]
    samples = await together(means.source.ask(ask) for ask in asks)
    scores = await scorer.score([Candidate((sample.answer,), sample.logprobs) for sample in samples])
    best = max(range(len(samples)), key=scores.__getitem__)
    report = {"n": fields.n, "scorer": said(scorer), "scores": scores, "chosen": samples[best].index}
    return Outcome(samples[best], report)


BEST_OF_N = Method(BestOfNFields, best_of_n, draws=True, scores=True)
